import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { tokenUntil } from "../helpers/bad-tokens.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { operatorOf } from "../helpers/erasure.ts";
import { errorBody } from "../helpers/errors.ts";
import { entriesOf } from "../helpers/history.ts";
import { USERS } from "../helpers/one-user.ts";
import { allRows, createUser } from "../helpers/people.ts";
import { type Asked, type Headers, requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: the first `GET /users/me` creates the user of the token. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema], env: { USERS_AUTO_CREATE: "true" } });
  await service.admin(); // the first token creates the key
});
afterAll(() => service.stop());

type Claims = Record<string, unknown> & { sub: string; email?: string };
const NAMES = { name: "Ada Lovelace", given_name: "Ada", family_name: "Lovelace", preferred_username: "ada" };
const seconds = (ms = Date.now()) => Math.floor(ms / 1000);

/** The token of a person who has no user yet. */
let claims: Claims;
beforeEach(() => {
  const sub = crypto.randomUUID();
  claims = { sub, email: `${sub}@example.com`, realm_access: { roles: [] }, iat: seconds(), ...NAMES };
});
const token = (more: object = {}): Promise<Headers> => tokenUntil(600, { ...claims, ...more });
const me = async (more?: object, asked: Partial<Asked> = {}) =>
  requestAs(service.url, await token(more), { path: `${USERS}/me`, ...asked });
const rows = () =>
  service.database.sql<{ id: string }>("SELECT id FROM users WHERE keycloak_id = $1", [claims.sub]);
const notFound = () => errorBody(404, `User with Keycloak ID ${claims.sub} not found`);

test("the first GET /users/me creates the user of the token, with one user.created and one entry of the history", async () => {
  const { status, headers, body } = await me();
  expect([status, headers.etag]).toEqual([200, '"1"']);
  const { sub, email } = claims;
  expect(body).toMatchObject({ keycloakId: sub, email, profile: { fullName: "Ada Lovelace", bio: null } });
  expect((await me()).body).toEqual(body);
  await outboxEmpty(service.database);
  const received = events.received.filter(({ userId }) => userId === body.id);
  expect(received.map(({ eventType, data }) => [eventType, data])).toEqual([
    ["user.created", { keycloakId: sub, email, fullName: "Ada Lovelace", createdAt: body.createdAt }],
  ]);
  expect(await entriesOf(service, body.id)).toMatchObject([{ version: 1, by: { kind: "user", id: sub } }]);
});

test("200 concurrent first requests create one row and one event, and all are answered with 200 and the same user", async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => me()));
  expect(answers.map(({ status }) => status)).toEqual(Array(200).fill(200));
  expect(new Set(answers.map(({ bytes }) => bytes.toString())).size).toBe(1);
  expect(await rows()).toHaveLength(1);
  await outboxEmpty(service.database);
  expect(events.received.filter(({ userId }) => userId === answers[0]?.body.id)).toHaveLength(1);
});

test("HEAD never creates a user", async () => {
  expect((await me({}, { method: "HEAD" })).status).toBe(404);
  expect(await rows()).toEqual([]);
});

test.each<[string, () => Partial<Asked>]>([
  ["GET /users/me/preferences", () => ({ path: `${USERS}/me/preferences` })],
  ["GET /users/me/identity", () => ({ path: `${USERS}/me/identity` })],
  ["GET /users/me/export", () => ({ path: `${USERS}/me/export` })],
  ["PATCH /users/me", () => ({ method: "PATCH", body: { profile: { bio: "x" } } })],
  ["DELETE /users/me", () => ({ method: "DELETE" })],
  ["GET /users/by-keycloak/:keycloakId", () => ({ path: `${USERS}/by-keycloak/${claims.sub}` })],
  ["GET /users/me with an unknown query", () => ({ path: `${USERS}/me?x=1` })],
])("%s creates no user", async (_, asked) => {
  expect([400, 404]).toContain((await me({}, asked())).status);
  expect(await rows()).toEqual([]);
});

test.each<[string, object]>([
  ["without an e-mail", { email: undefined }],
  ["with an empty e-mail", { email: "" }],
  ["with an e-mail that is not a text", { email: ["ada@example.com"] }],
  ["with an e-mail that the contract refuses", { email: "ada@localhost" }],
])("a token %s creates no user: 404", async (_, more) => {
  expect((await me(more)).body).toEqual(notFound());
  expect(await rows()).toEqual([]);
});

test("an internal token alone creates no user: 401", async () => {
  expect((await requestAs(service.url, service.internal, { path: `${USERS}/me` })).status).toBe(401);
});

test("a name that the contract refuses is replaced by the user name or the e-mail", async () => {
  const odd = { name: "\u200b", given_name: 7, family_name: null, preferred_username: "x".repeat(300) };
  expect((await me(odd)).body.profile).toMatchObject({ fullName: "x".repeat(100) });
});

test("an e-mail that belongs to another user is answered with 409, and the token is not linked to that user", async () => {
  const other = await createUser(service);
  const before = await allRows(service);
  const { body } = await me({ email: other.email.toUpperCase() });
  expect(body).toEqual(errorBody(409, `User with email ${other.email.toUpperCase()} already exists`));
  expect(await allRows(service)).toEqual(before);
});

describe("a token that was issued before the deletion of its user", () => {
  const remove = () => me({}, { method: "DELETE" });

  test("never recreates the user: 404, also for many concurrent requests", async () => {
    await me();
    await remove();
    const answers = await Promise.all(Array.from({ length: 20 }, () => me()));
    for (const { body } of answers) expect(body).toEqual(notFound());
    expect(await rows()).toHaveLength(1);
  });

  test("does not recreate the user after the erasure either, although no data of the person is stored", async () => {
    const { id } = (await me()).body;
    await operatorOf(service).eraseNow(id);
    expect((await me()).body).toEqual(notFound());
    expect(await rows()).toEqual([]);
    const [erasure] = await service.database.sql("SELECT keycloak_digest FROM erasures WHERE user_id = $1", [
      id,
    ]);
    expect(erasure?.keycloak_digest).toHaveLength(32);
  });

  test("does not recreate a user that was created and deleted while its request ran", async () => {
    const { database } = service;
    const other = await database.begin();
    const create = "INSERT INTO users (keycloak_id, email, full_name) VALUES ($1, $2, 'Ada')";
    await other.query(create, [claims.sub, claims.email]);
    const running = me();
    await waitFor(() => database.someoneWaits());
    await other.query("UPDATE users SET deleted_at = now() WHERE keycloak_id = $1", [claims.sub]);
    await other.query("COMMIT");
    await other.end();
    expect((await running).body).toEqual(notFound());
    expect(await rows()).toHaveLength(1);
    expect(
      events.received.filter(({ data }) => "keycloakId" in data && data.keycloakId === claims.sub),
    ).toEqual([]);
  });

  test("never recreates the user if it has no iat either", async () => {
    await me();
    await remove();
    expect((await me({ iat: undefined })).body).toEqual(notFound());
  });

  test("does not prevent a token that was issued later from creating another user", async () => {
    const { id } = (await me()).body;
    await remove();
    const { status, body } = await me({ iat: seconds() + 1 });
    expect([status, body.id === id]).toEqual([200, false]);
    await operatorOf(service).eraseNow(body.id);
    expect((await me({ iat: seconds() + 1 })).status).toBe(200);
  });
});
