import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, type Headers, requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 24: a user as it was, and the way back. */

const events = collectEvents();
let service: TestService;
let admin: Headers;
let person: Person;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  admin = await service.admin();
});
beforeEach(async () => {
  person = await createUser(service);
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const ask = (asked: Asked, headers: Headers = admin): Promise<Answered> =>
  requestAs(service.url, headers, asked);
const send = async (method: string, rest: string, body?: object) => {
  const answer = await ask({ method, path: `${users}/${person.id}${rest}`, body });
  expect([answer.status, answer.body.message]).toEqual([200, answer.body.message]);
  return answer.body;
};
const get = (query = "", headers?: Headers) => ask({ path: `${users}/${person.id}${query}` }, headers);
const increment = () =>
  ask({ method: "POST", path: `${users}/${person.id}/stats/increment-interviews` }, service.internal);
const countHistory = async () => (await service.database.sql("SELECT 1 FROM user_history")).length;

/** Changes everything that a version shows. */
async function changeAll(): Promise<void> {
  await send("PUT", "/profile", { fullName: "New Name", companyName: "Engines", phone: "+4930901820" });
  await send("PUT", "/email", { email: `moved-${person.id}@example.com` });
  await send("PATCH", "/preferences", { timezone: "Europe/Berlin", notifications: { marketing: true } });
  await send("PATCH", "/quotas", { maxInterviews: null, maxStorage: 5 });
  await ask(uploadOf(person.id, await jpeg({ left: "#00ff00" })));
}

describe("GET /users/:id?version=n", () => {
  test("shows profile, e-mail, preferences and quotas as they were, and counters as they are", async () => {
    const first = (await get()).body;
    const preferences = await send("GET", "/preferences");
    await changeAll();
    await increment();
    const { stats, updatedAt } = (await get()).body;
    expect((await get("?version=1")).body).toEqual({ ...first, preferences, stats, updatedAt });
    expect(stats).toMatchObject({ interviewsCreated: 1, storageUsed: expect.any(Number) });
  });

  test("shows each version on the way, also one that only a counter made, and the current one with its preferences", async () => {
    await send("PATCH", "", { profile: { bio: "first" } });
    await increment();
    await send("PATCH", "", { profile: { bio: "second" } });
    const biosOf = async (...versions: number[]) =>
      Promise.all(
        versions.map(async (n) => ((await get(`?version=${n}`)).body.profile as { bio: string }).bio),
      );
    expect(await biosOf(1, 2, 3, 4)).toEqual([null, "first", "first", "second"]);
    const preferences = await send("GET", "/preferences");
    expect((await get("?version=4")).body).toEqual({ ...(await get()).body, preferences });
  });

  test("has the current ETag, as its counters are the current ones, and is 304 to who has it", async () => {
    await send("PATCH", "", { profile: { bio: "new" } });
    const etag = `"${(await rowOf(service, person.id)).version}"`;
    expect((await get("?version=1")).headers.etag).toBe(etag);
    expect((await get("?version=1", { ...admin, "if-none-match": etag })).status).toBe(304);
  });

  test("is 403 for the owner and for a stranger, and 401 for nobody", async () => {
    const stranger = await createUser(service);
    for (const query of ["?version=1", "?at=2025-01-01", "?version=99"])
      for (const [headers, status] of [
        [person.headers, 403],
        [stranger.headers, 403],
        [{}, 401],
      ] as [Headers, number][])
        expect((await get(query, headers)).status).toBe(status);
    expect((await get("?version=1", service.internal)).status).toBe(200);
  });

  test("of a version that the user never had is 404, which names it", async () => {
    for (const version of [2, 99, Number.MAX_SAFE_INTEGER]) {
      const { body, headers } = await get(`?version=${version}`);
      expect(body).toEqual(errorBody(404, `User with ID ${person.id} has no known version ${version}`));
      expect(headers["x-error-code"]).toBe("VERSION_NOT_FOUND");
    }
  });

  test("of a deleted user, or of none, is 404 as without a version", async () => {
    await send("DELETE", "");
    expect((await get("?version=1")).body.message).toBe(`User with ID ${person.id} not found`);
  });

  test("works by keycloakId and as /users/me too", async () => {
    await send("PATCH", "", { profile: { bio: "new" } });
    const { body } = await get("?version=1");
    expect((await ask({ path: `${users}/by-keycloak/${person.keycloakId}?version=1` })).body).toEqual(body);
    const own = await service.user(person.keycloakId, { roles: ["admin"] });
    expect((await ask({ path: `${users}/me?version=1` }, own)).body).toEqual(body);
    expect((await ask({ path: `${users}/me?version=1` }, person.headers)).status).toBe(403);
  });

  test.each([
    ["version=0", ["version"]],
    ["version=-1", ["version"]],
    ["version=1.5", ["version"]],
    ["version=x", ["version"]],
    ["version=", ["version"]],
    ["version=9007199254740992", ["version"]],
    ["version=1&version=1", ["version"]],
    ["at=yesterday", ["at"]],
    ["at=2025-02-30", ["at"]],
    ["at=", ["at"]],
    ["version=1&at=2025-01-01", ["at"]],
  ])("with %s is 400", async (query, fields) => {
    const { status, body } = await get(`?${query}`);
    expect([status, body.details]).toEqual([
      400,
      fields.map((field) => ({ field, message: expect.any(String) })),
    ]);
  });
});

describe("GET /users/:id?at=time", () => {
  test("shows the user as of that time, the time of a change included", async () => {
    await send("PATCH", "", { profile: { bio: "first" } });
    await send("PATCH", "", { profile: { bio: "second" } });
    const { sql } = service.database;
    await sql(
      "UPDATE user_history SET at = '2025-01-01T00:00:00Z'::timestamptz + make_interval(days => version::int) WHERE user_id = $1",
      [person.id],
    );
    const bioAt = async (at: string) => {
      const { status, body } = await get(`?at=${at}`);
      return status === 200 ? (body.profile as { bio: string }).bio : status;
    };
    expect(await bioAt("2025-01-01T23:59:59.999Z")).toBe(404);
    expect(await bioAt("2025-01-02")).toBe(null);
    expect(await bioAt("2025-01-02T23:59:59.999Z")).toBe(null);
    expect(await bioAt("2025-01-03")).toBe("first");
    expect(await bioAt("2025-01-03T18:00:00-07:00")).toBe("second");
    expect(await bioAt("2025-01-04T00:00:00Z")).toBe("second");
    expect(await bioAt("2999-01-01")).toBe("second");
  });

  test("before the creation is 404, which names the time", async () => {
    const { body, headers } = await get("?at=2020-01-01T12:00");
    const message = `User with ID ${person.id} has no known version of 2020-01-01T12:00:00.000Z`;
    expect(body).toEqual(errorBody(404, message));
    expect(headers["x-error-code"]).toBe("VERSION_NOT_FOUND");
  });

  test("of the creation itself is the user as created", async () => {
    const created = (await get()).body;
    await send("PATCH", "", { profile: { bio: "new" } });
    expect((await get(`?at=${created.createdAt}`)).body.profile).toEqual(created.profile);
  });
});

describe("a user from before the history", () => {
  const forgetHistory = () =>
    service.database.sql("DELETE FROM user_history WHERE user_id = $1", [person.id]);

  test("is known as it is until it changes", async () => {
    await send("PATCH", "", { profile: { bio: "old" } });
    await forgetHistory();
    expect((await get("?version=2")).body.profile).toMatchObject({ bio: "old" });
    expect((await get("?version=1")).status).toBe(404);
    expect((await get(`?at=${new Date().toISOString()}`)).body.profile).toMatchObject({ bio: "old" });
    expect((await get(`?at=${person.createdAt}`)).status).toBe(404);
  });

  test("is known from the version before its first recorded change on", async () => {
    await send("PATCH", "", { profile: { bio: "old" } });
    await forgetHistory();
    await send("PATCH", "", { profile: { bio: "new" } });
    expect((await get("?version=2")).body.profile).toMatchObject({ bio: "old" });
    expect((await get("?version=1")).status).toBe(404);
    await send("POST", "/revert", { version: 2 });
    expect((await get()).body.profile).toMatchObject({ bio: "old" });
  });
});

test("a change by a node of the version before the history is missing in it, and the next change of the field shows its value", async () => {
  await send("PATCH", "", { profile: { bio: "new" } });
  const asOldNode =
    "UPDATE users SET bio = 'old node', version = version + 1, updated_at = now() WHERE id = $1";
  await service.database.sql(asOldNode, [person.id]);
  const { forgetUsers } = await import("../../models/user-row.ts");
  forgetUsers([person.id]);
  await send("PATCH", "", { profile: { bio: "newer", phone: "+4930901820" } });
  await send("PATCH", "", { profile: { bio: "newest" } });
  const entries = await entriesOf(service, person.id);
  expect(entries.map(({ version, changes }) => [version, changes.bio])).toEqual([
    [1, undefined],
    [2, { from: null, to: "new" }],
    [4, { from: "old node", to: "newer" }],
    [5, { from: "newer", to: "newest" }],
  ]);
  const biosOf = (versions: number[]) =>
    Promise.all(
      versions.map(async (n) => ((await get(`?version=${n}`)).body.profile as { bio: string }).bio),
    );
  expect(await biosOf([1, 2, 3, 4, 5])).toEqual([null, "old node", "old node", "newer", "newest"]);
});

describe("POST /users/:id/revert", () => {
  const revert = (body: object, headers: Headers = {}) =>
    ask({ method: "POST", path: `${users}/${person.id}/revert`, body }, { ...admin, ...headers });

  test("makes a new version with the old profile and preferences, and leaves e-mail, avatar, quotas and counters", async () => {
    const first = (await get()).body;
    const preferences = await send("GET", "/preferences");
    await changeAll();
    await increment();
    const [before, { version }] = [(await get()).body, await rowOf(service, person.id)];
    const { status, body, headers } = await revert({ version: 1 });
    const { avatarUrl } = before.profile as { avatarUrl: string };
    expect(avatarUrl).toEqual(expect.any(String));
    expect([status, body]).toEqual([
      200,
      { ...before, profile: { ...(first.profile as object), avatarUrl }, updatedAt: expect.any(String) },
    ]);
    expect(await send("GET", "/preferences")).toEqual(preferences);
    expect(headers.etag).toBe(`"${Number(version) + 1}"`);
  });

  test("publishes an ordinary user.updated with what changed by it, and is an entry of the history", async () => {
    await send("PATCH", "", { profile: { bio: "new", phone: "+4930901820" } });
    await send("PATCH", "/preferences", { language: "de" });
    await send("PATCH", "", { profile: { phone: null } });
    await revert({ version: 1 });
    await outboxEmpty(service.database);
    const event = events.heard.filter(({ userId }) => userId === person.id).at(-1);
    expect(event).toMatchObject({
      eventType: "user.updated",
      data: { changes: { bio: null, preferences: { language: "en" } } },
    });
    expect((await entriesOf(service, person.id)).at(-1)).toMatchObject({
      version: 5,
      by: { kind: "admin", id: "an-admin" },
      eventId: event?.eventId,
      changes: { bio: { from: "new", to: null }, "preferences.language": { from: "de", to: "en" } },
    });
  });

  test("leaves the e-mail also if another user has the old one now", async () => {
    await send("PUT", "/email", { email: `moved-${person.id}@example.com` });
    await send("PATCH", "", { profile: { bio: "new" } });
    await createUser(service, { email: person.email });
    const { status, body } = await revert({ version: 1 });
    expect([status, body.email, body.profile]).toEqual([
      200,
      `moved-${person.id}@example.com`,
      person.profile,
    ]);
  });

  test("can be reverted", async () => {
    await send("PATCH", "", { profile: { bio: "new" } });
    await revert({ version: 1 });
    expect((await revert({ version: 2 })).body.profile).toMatchObject({ bio: "new" });
  });

  test("to what the user is changes nothing and publishes nothing", async () => {
    await send("PATCH", "/quotas", { maxInterviews: 3 });
    const [before, entries] = [await rowOf(service, person.id), await countHistory()];
    for (const version of [1, 2]) expect((await revert({ version })).status).toBe(200);
    expect([await rowOf(service, person.id), await countHistory()]).toEqual([before, entries]);
  });

  test("with If-Match of another version is 412, and with the current one 200", async () => {
    await send("PATCH", "", { profile: { bio: "new" } });
    const before = await allRows(service);
    for (const version of [1, 2])
      expect((await revert({ version }, { "if-match": '"1"' })).body).toEqual(
        errorBody(412, "Precondition failed: the user has changed"),
      );
    expect(await allRows(service)).toEqual(before);
    expect((await revert({ version: 1 }, { "if-match": '"2"' })).status).toBe(200);
  });

  test("is for admins only: the owner, a stranger and the internal token get 403, nobody 401", async () => {
    const stranger = await createUser(service);
    const path = `${users}/${person.id}/revert`;
    const statusFor = async (headers: Headers) =>
      (await ask({ method: "POST", path, body: { version: 1 } }, headers)).status;
    for (const headers of [person.headers, stranger.headers, service.internal])
      expect(await statusFor(headers as Headers)).toBe(403);
    expect(await statusFor({})).toBe(401);
    expect(await statusFor({ ...service.internal, ...admin })).toBe(200);
  });

  test("to an unknown version is 404, and to a malformed one 400, and nothing changes", async () => {
    const [before, entries] = [await allRows(service), await countHistory()];
    expect((await revert({ version: 2 })).body).toEqual(
      errorBody(404, `User with ID ${person.id} has no known version 2`),
    );
    const malformed = [
      {},
      { version: 0 },
      { version: "1" },
      { version: null },
      { version: 1.5 },
      { at: "2025-01-01" },
    ];
    for (const body of malformed) expect((await revert(body)).status).toBe(400);
    const path = `${users}/${crypto.randomUUID()}/revert`;
    const missing = await ask({ method: "POST", path, body: { version: 1 } });
    expect([missing.status, missing.body.message]).toEqual([404, expect.stringContaining("not found")]);
    expect([await allRows(service), await countHistory()]).toEqual([before, entries]);
  });
});

test("users.history and users.revert are actions, and users.get takes version and at", async () => {
  const { broker } = service;
  const { id } = person;
  await broker.call("users.update", { id, profile: { bio: "new" } });
  const meta = { caller: { internal: false, user: { sub: "boss", admin: true } } };
  await expect(broker.call("users.history", { id, limit: 1 })).resolves.toMatchObject({
    items: [{ version: 2, changes: { bio: { from: null, to: "new" } } }],
    nextCursor: "2",
  });
  await expect(broker.call("users.history", { id, cursor: "2" })).resolves.toMatchObject({
    items: [{ version: 1 }],
    nextCursor: null,
  });
  const old = { profile: { bio: null } };
  await expect(broker.call("users.get", { id, version: 1 })).resolves.toMatchObject(old);
  await expect(broker.call("users.get", { id, at: person.createdAt })).resolves.toMatchObject(old);
  await expect(broker.call("users.get", { id, version: 3 })).rejects.toMatchObject({
    code: 404,
    type: "VERSION_NOT_FOUND",
  });
  await expect(broker.call("users.revert", { id, version: 1 }, { meta })).resolves.toMatchObject(old);
  await expect(broker.call("users.revert", { id, version: 1 })).rejects.toMatchObject({ code: 403 });
});
