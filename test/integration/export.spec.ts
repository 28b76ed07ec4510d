import { once } from "node:events";
import http from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, jest, test } from "@jest/globals";
import pg from "pg";
import { call } from "../../lib/contract/call.ts";
import type { HistoryEntry } from "../../services/users/users.contract.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { admin, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import { createUser, type Person } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";

/** Contract 25: all data of a person as one JSON document. */

withOneUser();

const { ask } = requestsOf();
const get = (rest: string, headers?: Headers) => ask({ path: `${USERS}/${person.id}${rest}` }, headers);
const remove = () => ask({ method: "DELETE", path: `${USERS}/${person.id}` });
/** Writes many entries of the history in one statement. */
const addEntries = (count: number) =>
  service.database.sql(
    `WITH changed AS (UPDATE users SET version = version + $2 WHERE id = $1)
     INSERT INTO user_history (user_id, version, at, by_kind, event_id, changes)
     SELECT $1, n, now(), 'user', gen_random_uuid(), '{"bio": {"from": "old", "to": "new"}}'
     FROM generate_series(2, $2::int + 1) AS n`,
    [person.id, count],
  );

test("an export has the user, identity, preferences, stats, quotas, the avatar, the history and the ids of its events", async () => {
  await ask({ method: "PATCH", path: `${USERS}/${person.id}/preferences`, body: { language: "de" } });
  await ask({ method: "PATCH", path: `${USERS}/${person.id}/quotas`, body: { maxInterviews: 3 } });
  await ask(uploadOf(person.id, await jpeg()));
  const answer = await get("/export");
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json; charset=utf-8"]);
  expect(answer.headers["cache-control"]).toBe("no-store");
  const image = await ask({ path: `${USERS}/${person.id}/avatar` }, { accept: "image/jpeg" });
  const history = (await get("/history?limit=100")).body.items as HistoryEntry[];
  expect(history).toHaveLength(4);
  expect(answer.body).toEqual({
    exportedAt: expect.stringMatching(/Z$/),
    user: (await get("")).body,
    identity: (await get("/identity")).body,
    preferences: (await get("/preferences")).body,
    stats: (await get("/stats")).body,
    quotas: (await get("/quotas")).body,
    avatar: `data:image/jpeg;base64,${image.bytes.toString("base64")}`,
    history,
    erasures: [],
    eventIds: history.flatMap(({ eventId }) => eventId ?? []),
  });
});

test("the owner's export shows admins and services by kind only, an admin's export also by id", async () => {
  await ask({ method: "PATCH", path: `${USERS}/${person.id}`, body: { profile: { bio: "new" } } });
  const newest = async (headers: Headers) => {
    const { history } = (await get("/export", headers)).body as unknown as { history: HistoryEntry[] };
    return history[0]?.by;
  };
  expect(await newest(person.headers)).toEqual({ kind: "admin" });
  expect(await newest(admin)).toEqual({ kind: "admin", id: "an-admin" });
});

test("/users/me/export is the export of the token's user", async () => {
  const { status, body } = await ask({ path: `${USERS}/me/export` }, person.headers);
  expect([status, (body as unknown as { user: Person }).user.id]).toEqual([200, person.id]);
});

test("a deleted user can be exported only by admins and by the user's own token", async () => {
  await remove();
  const known = await entriesOf(service, person.id);
  for (const headers of [admin, person.headers]) {
    const { status, body } = await get("/export", headers);
    expect([status, body]).toMatchObject([
      200,
      { user: { id: person.id, deletedAt: expect.stringMatching(/Z$/) }, avatar: null },
    ]);
    expect(body.history).toHaveLength(known.length);
  }
  const other = await createUser(service);
  expect((await get("/export", other.headers)).status).toBe(403);
  expect((await get("/export", {})).status).toBe(401);
  expect((await get("/export", service.internal)).status).toBe(403);
});

test("an export is 404 for an unknown user, and 400 for a malformed id", async () => {
  expect((await ask({ path: `${USERS}/${crypto.randomUUID()}/export` })).status).toBe(404);
  expect((await ask({ path: `${USERS}/no-id/export` })).status).toBe(400);
});

test("HEAD of an export has the headers and no body", async () => {
  const answer = await ask({ method: "HEAD", path: `${USERS}/${person.id}/export` });
  expect([answer.status, answer.headers["content-type"], answer.bytes.length]).toEqual([
    200,
    "application/json; charset=utf-8",
    0,
  ]);
});

test("an export has all of 1,234 entries, newest first, and the id of each event", async () => {
  await addEntries(1_234);
  const { body } = await get("/export");
  const { history, eventIds } = body as unknown as { history: HistoryEntry[]; eventIds: string[] };
  expect(history.map(({ version }) => version)).toEqual(
    Array.from({ length: 1_235 }, (_, index) => 1_235 - index),
  );
  expect(eventIds).toEqual(history.map(({ eventId }) => eventId));
});

test("an export reads the history only as fast as the client reads, so that its memory is constant", async () => {
  await addEntries(5_000);
  const sent = jest.spyOn(pg.Client.prototype, "query");
  const pages = () =>
    sent.mock.calls.filter(([query]) => (query as { name?: string }).name === "find-history").length;
  const meta = { caller: { internal: false, user: { sub: "an-admin", admin: true } } };
  const document = await call(service.broker, "users.export", { id: person.id }, { meta });
  document.read(1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(pages()).toBeLessThan(5);
  const bytes = await buffer(document);
  expect(pages()).toBeGreaterThan(90);
  expect(bytes.length).toBeGreaterThan(500_000);
  sent.mockRestore();
});

test("an export does not contain changes that are made while it runs", async () => {
  await addEntries(2_000);
  const meta = { caller: { internal: false, user: { sub: "an-admin", admin: true } } };
  const document = await call(service.broker, "users.export", { id: person.id }, { meta });
  const first = document.read(1) ?? "";
  await ask({ method: "PATCH", path: `${USERS}/${person.id}`, body: { profile: { bio: "meanwhile" } } });
  const text = `${first}${await buffer(document)}`;
  expect(text).not.toContain("meanwhile");
  const { user, history, eventIds } = JSON.parse(text);
  expect([user.profile.bio, history.length, eventIds.length]).toEqual([null, 2_001, 2_001]);
});

test("an export of a user without an avatar, and of one whose image is gone, has the avatar null", async () => {
  const avatarOf = async () => (await get("/export")).body.avatar;
  expect(await avatarOf()).toBeNull();
  await ask(uploadOf(person.id, await jpeg()));
  expect(await avatarOf()).toMatch(/^data:image/);
  await ask({ method: "DELETE", path: `${USERS}/${person.id}/avatar` });
  expect(await avatarOf()).toBeNull();
});

test("an export that is not read within 5 minutes is cut off", async () => {
  await addEntries(20_000);
  const timeout = AbortSignal.timeout;
  const limits = jest.spyOn(AbortSignal, "timeout").mockImplementation(() => timeout(300));
  const path = `${USERS}/${person.id}/export`;
  const asking = http.get(service.url + path, { headers: admin, agent: false });
  const [answer] = (await once(asking, "response")) as [http.IncomingMessage];
  await sleep(600); // the client does not read
  await expect(buffer(answer)).rejects.toThrow("aborted");
  expect(limits).toHaveBeenCalledWith(300_000);
  limits.mockRestore();
});

test("an export that fails midway closes the connection, so that the client notices that it is incomplete", async () => {
  await addEntries(500);
  type Query = (this: pg.Client, statement: { name?: string }, ...rest: unknown[]) => unknown;
  const query = pg.Client.prototype.query as unknown as Query;
  let pages = 0;
  const failing: Query = function (statement, ...rest) {
    const isThird = statement.name === "find-history" && ++pages === 3;
    return isThird ? Promise.reject(new Error("gone")) : query.call(this, statement, ...rest);
  };
  const sent = jest.spyOn(pg.Client.prototype, "query").mockImplementation(failing as never);
  await expect(get("/export")).rejects.toThrow();
  sent.mockRestore();
});
