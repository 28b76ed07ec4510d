import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { User } from "../../services/users/users.contract.ts";
import { blockEmail } from "../helpers/block-email.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { allRows, createUser, newUser, rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 21: Idempotency-Key. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

const key = () => ({ "idempotency-key": crypto.randomUUID() });

const post = (path: string, headers: Headers, body: object = {}, by: Headers = service.internal) =>
  service.http.post(`/api/v1/users${path}`).set(by).set(headers).send(body);
const create = (headers: Headers, body: object, by?: Headers) => post("", headers, body, by);
const increment = (id: string, headers: Headers) => post(`/${id}/stats/increment-interviews`, headers);

const eventsOf = async (id: string) => {
  await outboxEmpty(service.database);
  return events.received.filter(({ userId }) => userId === id).map(({ eventType }) => eventType);
};
const answers = () => service.database.sql("SELECT answer FROM idempotent_answers");

describe("POST /users with an Idempotency-Key", () => {
  test("a repeat gets the first status, body and Location again, with Idempotency-Replayed: true", async () => {
    const [headers, body] = [key(), newUser()];
    const first = await create(headers, body).expect(201);
    const second = await create(headers, body).expect(201);
    expect(second.text).toBe(first.text);
    expect(second.headers.location).toBe(`/api/v1/users/${first.body.id}`);
    expect(second.headers.location).toBe(first.headers.location);
    expect([first, second].map(({ headers }) => headers["idempotency-replayed"])).toEqual([
      undefined,
      "true",
    ]);
    expect(await eventsOf(first.body.id)).toEqual(["user.created"]);
  });

  test("a repeat gets the first answer, also if the user has changed since", async () => {
    const [headers, body] = [key(), newUser()];
    const { body: user } = await create(headers, body).expect(201);
    await service.http
      .patch(`/api/v1/users/${user.id}`)
      .set(service.internal)
      .send({ profile: { bio: "changed" } })
      .expect(200);
    expect((await create(headers, body).expect(201)).body).toEqual(user);
  });

  test("the same key with another body is 422 and changes nothing", async () => {
    const headers = key();
    await create(headers, newUser()).expect(201);
    const before = await allRows(service);
    const { body } = await create(headers, newUser()).expect(422);
    expect(body.message).toBe("The Idempotency-Key was used for another request");
    expect(await allRows(service)).toEqual(before);
  });

  test("a body with its fields in another order is the same body", async () => {
    const [headers, body] = [key(), newUser()];
    const { body: user } = await create(headers, body).expect(201);
    const reversed = Object.fromEntries(Object.entries(body).reverse());
    expect((await create(headers, reversed).expect(201)).body).toEqual(user);
  });

  test("30 equal requests with one key create one row and one event; each answer is the same 201, or 409 with Retry-After: 1", async () => {
    const [headers, body] = [key(), newUser()];
    const all = await Promise.all(Array.from({ length: 30 }, () => create(headers, body)));
    const created = all.filter(({ status }) => status === 201);
    const busy = all.filter(({ status }) => status === 409);
    expect(created.length).toBeGreaterThan(0);
    expect(created.length + busy.length).toBe(30);
    expect(new Set(created.map(({ text }) => text)).size).toBe(1);
    for (const { body, headers } of busy)
      expect([body.message, headers["retry-after"]]).toEqual([
        "A request with the same Idempotency-Key is in progress",
        "1",
      ]);
    const rows = await service.database.sql("SELECT id FROM users WHERE keycloak_id = $1", [body.keycloakId]);
    expect(rows).toEqual([{ id: created[0]?.body.id }]);
    expect(await eventsOf(created[0]?.body.id)).toEqual(["user.created"]);
  });

  test("30 equal requests without a key are answered once with 201 and 29 times with 409", async () => {
    const body = newUser();
    const stored = (await answers()).length;
    const all = await Promise.all(Array.from({ length: 30 }, () => create({}, body)));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ status }) => status === 409)).toHaveLength(29);
    expect(await answers()).toHaveLength(stored);
  });

  test("a repeat is 409 with Retry-After: 1 while the first request runs, and then gets its answer", async () => {
    const [headers, body] = [key(), newUser()];
    const blocker = await blockEmail(service.database, body.email);
    const first = create(headers, body).then((answer) => answer);
    await waitFor(service.database.someoneWaits);
    const busy = await create(headers, body).expect(409);
    expect(busy.headers["retry-after"]).toBe("1");
    await blocker.end();
    const { text, status } = await first;
    expect(status).toBe(201);
    expect((await create(headers, body).expect(201)).text).toBe(text);
  });

  test("a 4xx is stored: a repeat gets it although the request would now succeed", async () => {
    const taken = await createUser(service);
    const [headers, body] = [key(), newUser({ email: taken.email })];
    const first = await create(headers, body).expect(409);
    await service.http.delete(`/api/v1/users/${taken.id}`).set(service.internal).expect(200);
    const second = await create(headers, body).expect(409);
    expect(second.body).toMatchObject({ message: first.body.message, statusCode: 409 });
    expect(second.headers["idempotency-replayed"]).toBe("true");
    await create(key(), body).expect(201);
  });

  test.each([
    [403, () => service.user("a-stranger")],
    [401, async () => ({ authorization: "Bearer nonsense" })],
  ])("a %i is not stored: a caller with access can use the key", async (status, by) => {
    const [headers, body] = [key(), newUser()];
    await create(headers, body, await by()).expect(status);
    await create(headers, body).expect(201);
  });

  test("an internal error is not stored: the repeat does the work", async () => {
    const [headers, body] = [key(), newUser()];
    await service.database.sql("ALTER TABLE outbox RENAME TO outbox_away");
    await create(headers, body).expect(503);
    await service.database.sql("ALTER TABLE outbox_away RENAME TO outbox");
    const { headers: answered } = await create(headers, body).expect(201);
    expect(answered["idempotency-replayed"]).toBeUndefined();
  });

  test("the refusal of invalid input is not stored: the corrected request can use the key", async () => {
    const [headers, body] = [key(), newUser()];
    await create(headers, { ...body, email: "nonsense" }).expect(400);
    await create(headers, body).expect(201);
  });

  test("keys are separate for each caller: two callers with one key make two requests", async () => {
    const [headers, one, other] = [key(), newUser(), newUser()];
    const ids = [
      await create(headers, one, await service.user(one.keycloakId)).expect(201),
      await create(headers, other, await service.user(other.keycloakId)).expect(201),
      await create(headers, newUser()).expect(201),
    ].map(({ body }) => (body as User).id);
    expect(new Set(ids).size).toBe(3);
  });

  test("keys are separate for each route: one key on two routes makes two requests", async () => {
    const headers = key();
    const { body: user } = await create(headers, newUser()).expect(201);
    await increment(user.id, headers).expect(200);
    expect(await rowOf(service, user.id)).toMatchObject({ interviews_created: 1 });
  });

  test("after 24 hours a key is forgotten, also before its answer is purged", async () => {
    const [headers, body] = [key(), newUser()];
    await create(headers, body).expect(201);
    await service.database.sql(
      "UPDATE idempotent_answers SET created_at = created_at - interval '24 hours 1 second'",
    );
    await create(headers, body).expect(409);
    const { headers: answered } = await create(headers, body).expect(409);
    expect(answered["idempotency-replayed"]).toBe("true");
  });

  test.each([
    ["empty", ""],
    ["of 256 characters", "k".repeat(256)],
    ["with a space", "a b"],
    ["with a tab", "a\tb"],
    ["with a letter outside ASCII", "\u00e9"],
  ])("a key %s is 400 and changes nothing", async (_which, idempotencyKey) => {
    const before = await allRows(service);
    const { body } = await create({ "idempotency-key": idempotencyKey }, newUser()).expect(400);
    expect(body.details).toEqual([
      { field: "Idempotency-Key", message: "must be 1 to 255 visible ASCII characters" },
    ]);
    expect(await allRows(service)).toEqual(before);
  });

  test.each(["k", "k".repeat(255), "\"!~;,=%'\\"])("the key %s is accepted", async (idempotencyKey) => {
    await create({ "idempotency-key": idempotencyKey }, newUser()).expect(201);
  });
});

describe("POST /users/:id/stats/increment-interviews with an Idempotency-Key", () => {
  test("repeats are counted once and get the first answer", async () => {
    const user = await createUser(service);
    const headers = key();
    const first = await increment(user.id, headers).expect(200);
    await increment(user.id, key()).expect(200);
    const repeat = await increment(user.id, headers).expect(200);
    expect(repeat.text).toBe(first.text);
    expect(await rowOf(service, user.id)).toMatchObject({ interviews_created: 2, interviews_active: 2 });
  });

  test("a read directly after a counted request returns the new count", async () => {
    const user = await createUser(service);
    const read = () => service.http.get(`/api/v1/users/${user.id}/stats`).set(service.internal);
    await read().expect(200);
    await increment(user.id, key()).expect(200);
    expect((await read()).body).toMatchObject({ interviewsCreated: 1 });
  });

  test("the same key for another user is 422 and counts nothing", async () => {
    const [one, other] = [await createUser(service), await createUser(service)];
    const headers = key();
    await increment(one.id, headers).expect(200);
    await increment(other.id, headers).expect(422);
    expect(await rowOf(service, other.id)).toMatchObject({ interviews_created: 0 });
  });

  test("an unknown user is 404, also for repeats", async () => {
    const [id, headers] = [crypto.randomUUID(), key()];
    const first = await increment(id, headers).expect(404);
    const second = await increment(id, headers).expect(404);
    expect(second.body.message).toBe(first.body.message);
    expect(second.headers["idempotency-replayed"]).toBe("true");
  });

  test("20 concurrent requests with each of 5 keys are counted 5 times", async () => {
    const user = await createUser(service);
    const keys = Array.from({ length: 5 }, key);
    const send = async (headers: Headers): Promise<void> => {
      const { status } = await increment(user.id, headers);
      if (status === 409) return send(headers);
      expect(status).toBe(200);
    };
    await Promise.all(keys.flatMap((headers) => Array.from({ length: 20 }, () => send(headers))));
    expect(await rowOf(service, user.id)).toMatchObject({ interviews_created: 5 });
  });
});

test("the header has no effect on routes that do not declare it", async () => {
  const user = await createUser(service);
  const stored = (await answers()).length;
  const headers = { "idempotency-key": "not a valid key" };
  await service.http.patch(`/api/v1/users/${user.id}`).set(user.headers).set(headers).send({}).expect(200);
  expect(await answers()).toHaveLength(stored);
});

test("other Moleculer services pass the key as meta.idempotencyKey", async () => {
  const meta = { idempotencyKey: crypto.randomUUID() };
  const body = newUser();
  const first = await service.broker.call("users.create", body, { meta });
  expect(await service.broker.call("users.create", body, { meta })).toEqual(first);
  await expect(service.broker.call("users.create", newUser(), { meta })).rejects.toMatchObject({
    code: 422,
    type: "IDEMPOTENCY_KEY_REUSED",
  });
});

test("answers older than 24 hours are purged in slices, and newer ones are kept", async () => {
  const { purgeAnswers } = await import("../../models/idempotency.ts");
  await service.database.sql("DELETE FROM idempotent_answers");
  await service.database.sql(`
    INSERT INTO idempotent_answers (id, fingerprint, answer, created_at)
    SELECT sha256(i::text::bytea), '', '{}', now() - i * interval '1 hour' FROM generate_series(1, 100) AS i`);
  await purgeAnswers({ slice: 7, within: 60_000 });
  expect(await answers()).toHaveLength(23);
});
