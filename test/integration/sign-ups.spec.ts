import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { User } from "../../services/users/users.contract.ts";
import { blockEmail } from "../helpers/block-email.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { fieldsOf } from "../helpers/errors.ts";
import { allRows, createUser, newUser as sample } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

const events = collectEvents();
let service: TestService;
let insertUser: typeof import("../../services/users/users.store.ts").insertUser;
let newUser: typeof import("../../services/users/users.rules.ts").newUser;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  ({ insertUser } = await import("../../services/users/users.store.ts"));
  ({ newUser } = await import("../../services/users/users.rules.ts"));
});
afterAll(() => service.stop());

test("a sign-up that waits for an uncommitted one waits alone: other concurrent sign-ups are created", async () => {
  const [taken, free] = ["taken", "free"].map((name) =>
    newUser(
      { keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Ada" } },
      crypto.randomUUID(),
      new Date(),
    ),
  );
  if (!taken || !free) throw new Error("There are two");
  const holder = await blockEmail(service.database, taken.user.email);
  const start = performance.now();
  const [waiting, created] = [taken, free].map(({ user, event }) =>
    insertUser({ id: "", requestID: "", meta: {} }, user, event),
  );
  expect(await created).toMatchObject({ email: free.user.email });
  expect(performance.now() - start).toBeLessThan(1_500); // half the time limit of a statement
  await waitFor(() => service.database.someoneWaits());
  await holder.end();
  expect(await waiting).toMatchObject({ email: taken.user.email });
});

test("a single sign-up waits for an uncommitted one, and is created if that is rolled back", async () => {
  const { user, event } = newUser(
    { keycloakId: "single", email: "single@example.com", profile: { fullName: "Ada" } },
    crypto.randomUUID(),
    new Date(),
  );
  const holder = await blockEmail(service.database, user.email);
  const waiting = insertUser({ id: "", requestID: "", meta: {} }, user, event);
  await sleep(700); // longer than sign-ups wait together
  await holder.end();
  expect(await waiting).toMatchObject({ email: user.email });
});

/** A name that is too long for its column, which fails the whole statement. */
const fullName = fc.oneof(
  { arbitrary: fc.constant("Anna Example"), weight: 20 },
  { arbitrary: fc.constant("x".repeat(300)), weight: 1 },
);
const choice = fc.record({ email: fc.nat(15), keycloakId: fc.nat(15), fullName });

test("each of many concurrent sign-ups is created with its event, or gets the field that is in use", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 40 }), async (choices) => {
      const run = crypto.randomUUID();
      const users = choices.map(({ email, keycloakId, fullName }) =>
        newUser(
          { keycloakId: `${run} ${keycloakId}`, email: `${run}.${email}@example.com`, profile: { fullName } },
          crypto.randomUUID(),
          new Date(),
        ),
      );
      const outcomes = await Promise.allSettled(
        users.map(({ user, event }) => insertUser({ id: run, requestID: run, meta: {} }, user, event)),
      );

      const created = users.filter((_, index) => outcomes[index]?.status === "fulfilled");
      const emails = created.map(({ user }) => user.email);
      const keycloakIds = created.map(({ user }) => user.keycloakId);
      expect(new Set(emails).size).toBe(emails.length);
      expect(new Set(keycloakIds).size).toBe(keycloakIds.length);
      for (const [index, outcome] of outcomes.entries()) {
        const { user } = users[index] as (typeof users)[number];
        if (outcome.status === "fulfilled") {
          expect(outcome.value).toMatchObject({ ...user, version: 1 });
        } else if (user.fullName.length > 255) {
          expect(outcome.reason).toMatchObject({ code: "22001" });
        } else {
          const taken = outcome.reason.type === "EMAIL_TAKEN" ? emails : keycloakIds;
          expect(taken).toContain(outcome.reason.type === "EMAIL_TAKEN" ? user.email : user.keycloakId);
        }
      }
      const rows = await service.database.sql<{ id: string }>(
        "SELECT id FROM users WHERE keycloak_id LIKE $1 || ' %' ORDER BY id",
        [run],
      );
      expect(rows.map(({ id }) => id)).toEqual(created.map(({ user }) => user.id).sort());
      await outboxEmpty(service.database);
      const received = events.received.filter(({ metadata }) => metadata.correlationId === run);
      expect(received.map(({ userId }) => userId).sort()).toEqual(created.map(({ user }) => user.id).sort());
    }),
    { numRuns: 30 },
  );
}, 60_000);

/** Contract 21. */
describe("PUT /users/by-keycloak/:keycloakId", () => {
  type Wish = ReturnType<typeof sample>;
  const ensure = ({ keycloakId, ...body }: Wish, by: Record<string, string> = service.internal) =>
    service.http
      .put(`/api/v1/users/by-keycloak/${encodeURIComponent(keycloakId)}`)
      .set(by)
      .send(body);

  const eventsOf = async (id: string) => {
    await outboxEmpty(service.database);
    return events.received.filter(({ userId }) => userId === id).map(({ eventType }) => eventType);
  };

  test("a new keycloakId is 201 with the new User, its Location and one user.created", async () => {
    const wish = sample();
    const { body, headers } = await ensure(wish).expect(201);
    expect(body).toMatchObject(wish);
    expect(headers.location).toBe(`/api/v1/users/${body.id}`);
    expect(await eventsOf(body.id)).toEqual(["user.created"]);
  });

  test("an existing keycloakId is 200 with the existing User, unchanged, without an event", async () => {
    const user = await createUser(service);
    const before = await allRows(service);
    const wish = { ...sample({ keycloakId: user.keycloakId }), profile: { fullName: "Someone Else" } };
    const { body, headers } = await ensure(wish).expect(200);
    const { headers: _, ...existing } = user;
    expect(body).toEqual(existing);
    expect(headers.location).toBeUndefined();
    expect(await allRows(service)).toEqual(before);
    expect(await eventsOf(user.id)).toEqual(["user.created"]);
  });

  test("100 concurrent calls create one row and one event: one 201, all others 200, all with the same User", async () => {
    const wish = sample();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ensure(wish)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(99);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const user: User = answers[0]?.body;
    const rows = await service.database.sql("SELECT id FROM users WHERE keycloak_id = $1", [wish.keycloakId]);
    expect(rows).toEqual([{ id: user.id }]);
    expect(await eventsOf(user.id)).toEqual(["user.created"]);
  });

  test("of 50 concurrent calls with one e-mail and different keycloakIds, one is 201 and all others are 409", async () => {
    const { email } = sample();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ensure(sample({ email }))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49);
  });

  describe("an e-mail that belongs to another user is 409, and does not change that user", () => {
    test.each(["a new", "an existing"])("for %s keycloakId, in any letter case", async (which) => {
      const other = await createUser(service);
      const keycloakId = which === "a new" ? "unlinked" : (await createUser(service)).keycloakId;
      const before = await allRows(service);
      const { body } = await ensure(sample({ keycloakId, email: other.email.toUpperCase() })).expect(409);
      expect(body.message).toBe(`User with email ${other.email.toUpperCase()} already exists`);
      expect(await allRows(service)).toEqual(before);
    });
  });

  test("after a user was deleted, the same keycloakId creates a new user", async () => {
    const wish = sample();
    const { body: first } = await ensure(wish).expect(201);
    await service.http.delete(`/api/v1/users/${first.id}`).set(service.internal).expect(200);
    const { body: second } = await ensure(wish).expect(201);
    expect(second.id).not.toBe(first.id);
  });

  test("only the owner, admins and internal services have access", async () => {
    const wish = sample();
    await ensure(wish, {}).expect(401);
    await ensure(wish, await service.user("a-stranger")).expect(403);
    await ensure(wish, await service.user(wish.keycloakId)).expect(201);
    await ensure(wish, await service.admin()).expect(200);
  });

  test("a token with another e-mail than the body's is 403, whether or not the user exists", async () => {
    const wish = sample();
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
    expect(fieldsOf((await put(sample())).body)).toEqual(["keycloakId"]);
    expect(await allRows(service)).toEqual(before);
  });
});
