import { describe, expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody } from "../helpers/errors.ts";
import { changeAll, entriesOf } from "../helpers/history.ts";
import { admin, events, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import { allRows, createUser, rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";

/** Contract 24: reverting to an earlier version. */

withOneUser();

const requests = requestsOf();
const { ask, succeed } = requests;
const get = (query = "", headers?: Headers) => ask({ path: `${USERS}/${person.id}${query}` }, headers);
const increment = () =>
  ask({ method: "POST", path: `${USERS}/${person.id}/stats/increment-interviews` }, service.internal);
const countHistory = async () => (await service.database.sql("SELECT 1 FROM user_history")).length;

describe("POST /users/:id/revert", () => {
  const revert = (body: object, headers: Headers = {}) =>
    ask({ method: "POST", path: `${USERS}/${person.id}/revert`, body }, { ...admin, ...headers });

  test("creates a version with the old profile and preferences, and keeps e-mail, avatar, quotas and counters", async () => {
    const first = (await get()).body;
    const preferences = (await succeed("GET", "/preferences")).body;
    await changeAll(requests, person.id);
    await increment();
    const [before, { version }] = [(await get()).body, await rowOf(service, person.id)];
    const { status, body, headers } = await revert({ version: 1 });
    const { avatarUrl } = before.profile as { avatarUrl: string };
    expect(avatarUrl).toEqual(expect.any(String));
    expect([status, body]).toEqual([
      200,
      { ...before, profile: { ...(first.profile as object), avatarUrl }, updatedAt: expect.any(String) },
    ]);
    expect((await succeed("GET", "/preferences")).body).toEqual(preferences);
    expect(headers.etag).toBe(`"${Number(version) + 1}"`);
  });

  test("publishes an ordinary user.updated with the changed fields, and adds a history entry", async () => {
    await succeed("PATCH", "", { profile: { bio: "new", phone: "+4930901820" } });
    await succeed("PATCH", "/preferences", { language: "de" });
    await succeed("PATCH", "", { profile: { phone: null } });
    await revert({ version: 1 });
    await outboxEmpty(service.database);
    const event = events.received.filter(({ userId }) => userId === person.id).at(-1);
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

  test("succeeds if another user has the old e-mail now, and keeps the current e-mail", async () => {
    await succeed("PUT", "/email", { email: `moved-${person.id}@example.com` });
    await succeed("PATCH", "", { profile: { bio: "new" } });
    await createUser(service, { email: person.email });
    const { status, body } = await revert({ version: 1 });
    expect([status, body.email, body.profile]).toEqual([
      200,
      `moved-${person.id}@example.com`,
      person.profile,
    ]);
  });

  test("can be reverted", async () => {
    await succeed("PATCH", "", { profile: { bio: "new" } });
    await revert({ version: 1 });
    expect((await revert({ version: 2 })).body.profile).toMatchObject({ bio: "new" });
  });

  test("to the current state changes nothing and publishes nothing", async () => {
    await succeed("PATCH", "/quotas", { maxInterviews: 3 });
    const [before, entries] = [await rowOf(service, person.id), await countHistory()];
    for (const version of [1, 2]) expect((await revert({ version })).status).toBe(200);
    expect([await rowOf(service, person.id), await countHistory()]).toEqual([before, entries]);
  });

  test("with If-Match of another version is 412, and with the current one 200", async () => {
    await succeed("PATCH", "", { profile: { bio: "new" } });
    const before = await allRows(service);
    for (const version of [1, 2])
      expect((await revert({ version }, { "if-match": '"1"' })).body).toEqual(
        errorBody(412, "Precondition failed: the user has changed"),
      );
    expect(await allRows(service)).toEqual(before);
    expect((await revert({ version: 1 }, { "if-match": '"2"' })).status).toBe(200);
  });

  test("is only for admins: owner, other users and the internal token get 403, a caller without a token 401", async () => {
    const stranger = await createUser(service);
    const path = `${USERS}/${person.id}/revert`;
    const statusFor = async (headers: Headers) =>
      (await ask({ method: "POST", path, body: { version: 1 } }, headers)).status;
    for (const headers of [person.headers, stranger.headers, service.internal])
      expect(await statusFor(headers as Headers)).toBe(403);
    expect(await statusFor({})).toBe(401);
    expect(await statusFor({ ...service.internal, ...admin })).toBe(200);
  });

  test("of a deleted user is 404, and nothing changes", async () => {
    await succeed("PATCH", "", { profile: { bio: "new" } });
    await succeed("DELETE", "");
    const before = [await allRows(service), await entriesOf(service, person.id)];
    expect((await revert({ version: 1 })).status).toBe(404);
    expect([await allRows(service), await entriesOf(service, person.id)]).toEqual(before);
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
    const path = `${USERS}/${crypto.randomUUID()}/revert`;
    const missing = await ask({ method: "POST", path, body: { version: 1 } });
    expect([missing.status, missing.body.message]).toEqual([404, expect.stringContaining("not found")]);
    expect([await allRows(service), await countHistory()]).toEqual([before, entries]);
  });
});
