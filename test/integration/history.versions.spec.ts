import { describe, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { changeAll, entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { admin, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import { createUser, rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";

/** Contract 24: earlier versions of a user. */

withOneUser();

const requests = requestsOf();
const { ask, succeed } = requests;
const get = (query = "", headers?: Headers) => ask({ path: `${USERS}/${person.id}${query}` }, headers);
const increment = () =>
  ask({ method: "POST", path: `${USERS}/${person.id}/stats/increment-interviews` }, service.internal);

describe("GET /users/:id?version=n", () => {
  test("returns profile, e-mail, preferences and quotas of that version, and the current counters", async () => {
    const first = (await get()).body;
    const preferences = (await succeed("GET", "/preferences")).body;
    await changeAll(requests, person.id);
    await increment();
    const { stats, updatedAt } = (await get()).body;
    expect((await get("?version=1")).body).toEqual({ ...first, preferences, stats, updatedAt });
    expect(stats).toMatchObject({ interviewsCreated: 1, storageUsed: expect.any(Number) });
  });

  test("returns every version, also one of a counter only, and the current one, each with its preferences", async () => {
    await succeed("PATCH", "", { profile: { bio: "first" } });
    await increment();
    await succeed("PATCH", "", { profile: { bio: "second" } });
    const biosOf = async (...versions: number[]) =>
      Promise.all(
        versions.map(async (n) => ((await get(`?version=${n}`)).body.profile as { bio: string }).bio),
      );
    expect(await biosOf(1, 2, 3, 4)).toEqual([null, "first", "first", "second"]);
    const preferences = (await succeed("GET", "/preferences")).body;
    expect((await get("?version=4")).body).toEqual({ ...(await get()).body, preferences });
  });

  test("returns the URL of the earlier avatar, which serves the current image", async () => {
    const upload = async (left: string) => (await ask(uploadOf(person.id, await jpeg({ left })))).body;
    const { avatarUrl } = await upload("#00ff00");
    await upload("#0000ff");
    const past = (await get("?version=2")).body.profile;
    expect(past).toMatchObject({ avatarUrl });
    const served = await ask({ path: new URL(avatarUrl).pathname });
    const { etag } = (await ask({ path: `${USERS}/${person.id}/avatar` })).headers;
    expect(served.headers.etag).toBe(etag); // the current image
    expect(avatarUrl).not.toContain(String(etag).slice(1, 33));
  });

  test("has the current ETag, because its counters are current, and is 304 if If-None-Match names it", async () => {
    await succeed("PATCH", "", { profile: { bio: "new" } });
    const etag = `"${(await rowOf(service, person.id)).version}"`;
    expect((await get("?version=1")).headers.etag).toBe(etag);
    expect((await get("?version=1", { ...admin, "if-none-match": etag })).status).toBe(304);
  });

  test("is 403 for the owner and other users, and 401 without a token", async () => {
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

  test("is 404 for a version that the user never had, and the message names it", async () => {
    for (const version of [2, 99, Number.MAX_SAFE_INTEGER]) {
      const { body, headers } = await get(`?version=${version}`);
      expect(body).toEqual(errorBody(404, `User with ID ${person.id} has no known version ${version}`));
      expect(headers["x-error-code"]).toBe("VERSION_NOT_FOUND");
    }
  });

  test("of a deleted or unknown user is 404, as without a version", async () => {
    await succeed("DELETE", "");
    expect((await get("?version=1")).body.message).toBe(`User with ID ${person.id} not found`);
  });

  test("works for /users/by-keycloak/:keycloakId and /users/me too", async () => {
    await succeed("PATCH", "", { profile: { bio: "new" } });
    const { body } = await get("?version=1");
    expect((await ask({ path: `${USERS}/by-keycloak/${person.keycloakId}?version=1` })).body).toEqual(body);
    const own = await service.user(person.keycloakId, { roles: ["admin"] });
    expect((await ask({ path: `${USERS}/me?version=1` }, own)).body).toEqual(body);
    expect((await ask({ path: `${USERS}/me?version=1` }, person.headers)).status).toBe(403);
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
  test("returns the user at that time, including a change at exactly that time", async () => {
    await succeed("PATCH", "", { profile: { bio: "first" } });
    await succeed("PATCH", "", { profile: { bio: "second" } });
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

  test("is 404 before the creation, and the message names the time", async () => {
    const { body, headers } = await get("?at=2020-01-01T12:00");
    const message = `User with ID ${person.id} has no known version of 2020-01-01T12:00:00.000Z`;
    expect(body).toEqual(errorBody(404, message));
    expect(headers["x-error-code"]).toBe("VERSION_NOT_FOUND");
  });

  test("returns the created user at the time of the creation", async () => {
    const created = (await get()).body;
    await succeed("PATCH", "", { profile: { bio: "new" } });
    expect((await get(`?at=${created.createdAt}`)).body.profile).toEqual(created.profile);
  });
});

describe("a user who was created before the history existed", () => {
  const forgetHistory = () =>
    service.database.sql("DELETE FROM user_history WHERE user_id = $1", [person.id]);

  test("has only the current version until it changes", async () => {
    await succeed("PATCH", "", { profile: { bio: "old" } });
    await forgetHistory();
    expect((await get("?version=2")).body.profile).toMatchObject({ bio: "old" });
    expect((await get("?version=1")).status).toBe(404);
    expect((await get(`?at=${new Date().toISOString()}`)).body.profile).toMatchObject({ bio: "old" });
    expect((await get(`?at=${person.createdAt}`)).status).toBe(404);
  });

  test("has versions from the one before its first recorded change", async () => {
    await succeed("PATCH", "", { profile: { bio: "old" } });
    await forgetHistory();
    await succeed("PATCH", "", { profile: { bio: "new" } });
    expect((await get("?version=2")).body.profile).toMatchObject({ bio: "old" });
    expect((await get("?version=1")).status).toBe(404);
    await succeed("POST", "/revert", { version: 2 });
    expect((await get()).body.profile).toMatchObject({ bio: "old" });
  });
});

test("a change by a node without the history is not recorded, and the next change of the field has its value as `from`", async () => {
  await succeed("PATCH", "", { profile: { bio: "new" } });
  const asOldNode =
    "UPDATE users SET bio = 'old node', version = version + 1, updated_at = now() WHERE id = $1";
  await service.database.sql(asOldNode, [person.id]);
  const { forgetUsers } = await import("../../models/user-row.ts");
  forgetUsers([person.id]);
  await succeed("PATCH", "", { profile: { bio: "newer", phone: "+4930901820" } });
  await succeed("PATCH", "", { profile: { bio: "newest" } });
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

test("other services can call users.history and users.revert, and users.get with version and at", async () => {
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
