import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { User } from "../../services/users/users.contract.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { fieldsOf } from "../helpers/errors.ts";
import { allRows, createUser, newUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 21: PUT /users/by-keycloak/:keycloakId. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

type Wish = ReturnType<typeof newUser>;
const ensure = ({ keycloakId, ...body }: Wish, by: Record<string, string> = service.internal) =>
  service.http
    .put(`/api/v1/users/by-keycloak/${encodeURIComponent(keycloakId)}`)
    .set(by)
    .send(body);

const eventsOf = async (id: string) => {
  await outboxEmpty(service.database);
  return events.heard.filter(({ userId }) => userId === id).map(({ eventType }) => eventType);
};

test("a new keycloakId is 201 with the new User, its Location and one user.created", async () => {
  const wish = newUser();
  const { body, headers } = await ensure(wish).expect(201);
  expect(body).toMatchObject(wish);
  expect(headers.location).toBe(`/api/v1/users/${body.id}`);
  expect(await eventsOf(body.id)).toEqual(["user.created"]);
});

test("an existing keycloakId is 200 with the existing User, unchanged, without an event", async () => {
  const user = await createUser(service);
  const before = await allRows(service);
  const wish = { ...newUser({ keycloakId: user.keycloakId }), profile: { fullName: "Someone Else" } };
  const { body, headers } = await ensure(wish).expect(200);
  const { headers: _, ...existing } = user;
  expect(body).toEqual(existing);
  expect(headers.location).toBeUndefined();
  expect(await allRows(service)).toEqual(before);
  expect(await eventsOf(user.id)).toEqual(["user.created"]);
});

test("100 parallel calls make one row and one event: one 201, all others 200, all with the same User", async () => {
  const wish = newUser();
  const answers = await Promise.all(Array.from({ length: 100 }, () => ensure(wish)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(99);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  const user: User = answers[0]?.body;
  const rows = await service.database.sql("SELECT id FROM users WHERE keycloak_id = $1", [wish.keycloakId]);
  expect(rows).toEqual([{ id: user.id }]);
  expect(await eventsOf(user.id)).toEqual(["user.created"]);
});

test("of 50 parallel calls with one e-mail and different keycloakIds one is 201 and all others are 409", async () => {
  const { email } = newUser();
  const answers = await Promise.all(Array.from({ length: 50 }, () => ensure(newUser({ email }))));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(49);
});

describe("an e-mail that belongs to another user is 409 and never links the two", () => {
  test.each(["a new", "an existing"])("for %s keycloakId, in any case of letters", async (which) => {
    const other = await createUser(service);
    const keycloakId = which === "a new" ? "unlinked" : (await createUser(service)).keycloakId;
    const before = await allRows(service);
    const { body } = await ensure(newUser({ keycloakId, email: other.email.toUpperCase() })).expect(409);
    expect(body.message).toBe(`User with email ${other.email.toUpperCase()} already exists`);
    expect(await allRows(service)).toEqual(before);
  });
});

test("after a user was deleted, the same keycloakId is a new user", async () => {
  const wish = newUser();
  const { body: first } = await ensure(wish).expect(201);
  await service.http.delete(`/api/v1/users/${first.id}`).set(service.internal).expect(200);
  const { body: second } = await ensure(wish).expect(201);
  expect(second.id).not.toBe(first.id);
});

test("for the owner, admins and internal services only", async () => {
  const wish = newUser();
  await ensure(wish, {}).expect(401);
  await ensure(wish, await service.user("a-stranger")).expect(403);
  await ensure(wish, await service.user(wish.keycloakId)).expect(201);
  await ensure(wish, await service.admin()).expect(200);
});

test("a token with another e-mail than the body's is 403, whether or not the user exists", async () => {
  const wish = newUser();
  const another = await service.user(wish.keycloakId, { email: "another@example.com" });
  await ensure(wish, another).expect(403);
  await ensure(wish).expect(201);
  await ensure(wish, another).expect(403);
  await ensure(wish, await service.user(wish.keycloakId, { email: wish.email.toUpperCase() })).expect(200);
});

test("a body without an e-mail or a profile, or with a keycloakId, is 400 and changes nothing", async () => {
  const before = await allRows(service);
  const put = (body: object) =>
    service.http.put("/api/v1/users/by-keycloak/invalid").set(service.internal).send(body).expect(400);
  expect(fieldsOf((await put({})).body)).toEqual(["email", "profile"]);
  expect(fieldsOf((await put(newUser())).body)).toEqual(["keycloakId"]);
  expect(await allRows(service)).toEqual(before);
});
