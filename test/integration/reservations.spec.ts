import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { allRows, createUser, rowOf } from "../helpers/people.ts";
import { samplesAt } from "../helpers/samples.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 26: quotas that can be reserved. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

type Headers = Record<string, string>;
type Reserved = { reservationId: string; expiresAt: string; remaining: number | null };

const MISSING = "00000000-0000-4000-8000-000000000000";
const pathOf = (id: string, rest = "") => `/api/v1/users/${id}/quota/reservations${rest}`;
const reserve = (id: string, body: object, headers: Headers = {}) =>
  service.http.post(pathOf(id)).set(service.internal).set(headers).send(body);
const commit = (id: string, reservationId: string) =>
  service.http.post(pathOf(id, `/${reservationId}/commit`)).set(service.internal);
const release = (id: string, reservationId: string) =>
  service.http.delete(pathOf(id, `/${reservationId}`)).set(service.internal);
const reserved = async (id: string, body: object): Promise<Reserved> =>
  (await reserve(id, body).expect(201)).body;
const quotasOf = async (id: string) =>
  (await service.http.get(`/api/v1/users/${id}/quotas`).set(service.internal).expect(200)).body;
const setQuotas = (id: string, limits: object) =>
  service.http.patch(`/api/v1/users/${id}/quotas`).set(service.internal).send(limits).expect(200);

/** A user with this limit of interviews and 1,000 bytes. */
async function userWith(maxInterviews: number | null = 10): Promise<string> {
  const { id } = await createUser(service);
  await setQuotas(id, { maxInterviews, maxStorage: 1000 });
  return id;
}
/** As if its time were over. */
const expire = (reservationId: string) =>
  service.database.sql("UPDATE quota_reservations SET expires_at = now() WHERE id = $1", [reservationId]);
const allReservations = () => service.database.sql("SELECT * FROM quota_reservations ORDER BY id");
const stateOf = async (reservationId: string) =>
  (await service.database.sql("SELECT state FROM quota_reservations WHERE id = $1", [reservationId]))[0]
    ?.state;

const created = (userId: string, reservationId?: unknown, eventId = crypto.randomUUID()) => {
  const data = { interviewId: eventId, ...(reservationId !== undefined && { reservationId }) };
  return service.broker.emit("interview.created", { eventId, eventType: "interview.created", userId, data });
};
const uploaded = (userId: string, fileSize: number, reservationId?: string) => {
  const eventId = crypto.randomUUID();
  const data = { fileId: eventId, fileSize, reservationId };
  return service.broker.emit("media.uploaded", { eventId, eventType: "media.uploaded", userId, data });
};

describe("POST /users/:id/quota/reservations", () => {
  test("answers 201 with reservationId, userId, resource, amount, expiresAt and remaining", async () => {
    const id = await userWith(10);
    const before = Date.now();
    const { body, headers } = await reserve(id, { resource: "interviews", amount: 3, ttl: 60 }).expect(201);
    expect(body).toStrictEqual({
      reservationId: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      userId: id,
      resource: "interviews",
      amount: 3,
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      remaining: 7,
    });
    const ttl = Date.parse(body.expiresAt) - before;
    expect(ttl).toBeGreaterThan(59_000);
    expect(ttl).toBeLessThan(80_000);
    expect(headers.location).toBe(pathOf(id, `/${body.reservationId}`));
  });

  test("reserves 1 for 900 s unless amount and ttl say otherwise", async () => {
    const id = await userWith();
    const before = Date.now();
    const { body } = await reserve(id, { resource: "storage" }).expect(201);
    expect(body).toMatchObject({ amount: 1, remaining: 999 });
    expect(Math.round((Date.parse(body.expiresAt) - before) / 10_000)).toBe(90);
  });

  test("over the limit is 409 Quota exceeded with the resource in its details, type QUOTA_EXCEEDED", async () => {
    const id = await userWith(10);
    await reserved(id, { resource: "interviews", amount: 8 });
    const before = await allReservations();
    const answer = await reserve(id, { resource: "interviews", amount: 3 }).expect(409);
    expect(answer.body).toEqual({
      ...errorBody(409, "Quota exceeded", pathOf(id)),
      details: [{ field: "interviews", message: "3 wanted, 2 remaining" }],
    });
    expect(answer.headers["x-error-code"]).toBe("QUOTA_EXCEEDED");
    expect(await allReservations()).toEqual(before);
    await reserve(id, { resource: "interviews", amount: 2 }).expect(201);
    await reserve(id, { resource: "storage", amount: 1000 }).expect(201);
    await reserve(id, { resource: "storage" }).expect(409);
  });

  test("the action stats.reserve rejects with code 409, type QUOTA_EXCEEDED and the details as data", async () => {
    const id = await userWith(0);
    await expect(service.broker.call("stats.reserve", { id, resource: "interviews" })).rejects.toMatchObject({
      code: 409,
      type: "QUOTA_EXCEEDED",
      data: [{ field: "interviews", message: "1 wanted, 0 remaining" }],
    });
  });

  test("what is used counts against the limit, and a counter below 0 gives no more room", async () => {
    const id = await userWith(10);
    await service.database.sql("UPDATE users SET interviews_created = 9, storage_used = -5 WHERE id = $1", [
      id,
    ]);
    await reserve(id, { resource: "interviews", amount: 2 }).expect(409);
    await reserve(id, { resource: "storage", amount: 1001 }).expect(409);
    expect((await reserved(id, { resource: "storage", amount: 1000 })).remaining).toBe(0);
  });

  test("is refused while use is over the limit, as events count beyond it", async () => {
    const id = await userWith(1);
    await reserved(id, { resource: "interviews" });
    await created(id);
    await created(id);
    expect((await quotasOf(id)).interviews).toEqual({
      used: 2,
      limit: 1,
      reserved: 1,
      remaining: 0,
      exceeded: true,
    });
    await reserve(id, { resource: "interviews" }).expect(409);
  });

  test.each([
    ["ttl", [0, -1, 1.5, 86_401, 2 ** 53, "60", null, true]],
    ["amount", [0, -1, 1.5, 2 ** 53, "1", null, true]],
    ["resource", ["candidates", "", null, 1, ["storage"]]],
  ])("%s of %j is 400, names the field and changes nothing", async (field, values) => {
    const id = await userWith();
    const before = await allReservations();
    for (const value of values) {
      const { body } = await reserve(id, { resource: "interviews", [field]: value });
      expect([value, body.statusCode, fieldsOf(body)]).toEqual([value, 400, [field]]);
    }
    expect(await allReservations()).toEqual(before);
  });

  test.each([1, 86_400])("a ttl of %d s is taken", async (ttl) => {
    await reserve(await userWith(), { resource: "interviews", ttl }).expect(201);
  });

  test("the largest amount, 2^53-1, is taken if the limit is as large", async () => {
    const id = await userWith();
    const most = 2 ** 53 - 1;
    await setQuotas(id, { maxStorage: most });
    expect((await reserved(id, { resource: "storage", amount: most })).remaining).toBe(0);
    await reserve(id, { resource: "storage" }).expect(409);
  });

  test("a missing resource, a user who does not exist, and one who was deleted are 400 and 404", async () => {
    const id = await userWith();
    expect(fieldsOf((await reserve(id, {}).expect(400)).body)).toEqual(["resource"]);
    expect((await reserve(MISSING, { resource: "storage" }).expect(404)).body.message).toBe(
      `User with ID ${MISSING} not found`,
    );
    await service.http.delete(`/api/v1/users/${id}`).set(service.internal).expect(200);
    await reserve(id, { resource: "storage" }).expect(404);
  });
});

describe("an Idempotency-Key", () => {
  const key = () => ({ "idempotency-key": crypto.randomUUID() });

  test("a repeat gets the same reservation and Location, and reserves no more", async () => {
    const id = await userWith(10);
    const headers = key();
    const first = await reserve(id, { resource: "interviews", amount: 4 }, headers).expect(201);
    const second = await reserve(id, { resource: "interviews", amount: 4 }, headers).expect(201);
    expect(second.text).toBe(first.text);
    expect(second.headers.location).toBe(first.headers.location);
    expect(second.headers["idempotency-replayed"]).toBe("true");
    expect((await quotasOf(id)).interviews).toMatchObject({ reserved: 4, remaining: 6 });
  });

  test("a repeat of a refusal is refused with the same details, although there is room by now", async () => {
    const id = await userWith(0);
    const headers = key();
    const first = await reserve(id, { resource: "interviews" }, headers).expect(409);
    await setQuotas(id, { maxInterviews: 10 });
    const second = await reserve(id, { resource: "interviews" }, headers).expect(409);
    expect(second.body.details).toEqual(first.body.details);
    expect(second.headers["x-error-code"]).toBe("QUOTA_EXCEEDED");
    await reserve(id, { resource: "interviews" }, key()).expect(201);
  });

  test("the same key with another amount is 422", async () => {
    const id = await userWith();
    const headers = key();
    await reserve(id, { resource: "interviews" }, headers).expect(201);
    await reserve(id, { resource: "interviews", amount: 2 }, headers).expect(422);
  });
});

describe("POST …/reservations/:reservationId/commit", () => {
  test("adds the amount to the counter and ends the reservation", async () => {
    const id = await userWith(10);
    const one = await reserved(id, { resource: "interviews", amount: 3 });
    const { body } = await commit(id, one.reservationId).expect(200);
    expect(body).toStrictEqual({ ...one, remaining: 7 });
    expect((await quotasOf(id)).interviews).toEqual({
      used: 3,
      limit: 10,
      reserved: 0,
      remaining: 7,
      exceeded: false,
    });
    const other = await reserved(id, { resource: "storage", amount: 400 });
    await commit(id, other.reservationId).expect(200);
    expect(await rowOf(service, id)).toMatchObject({
      interviews_created: 3,
      interviews_active: 0,
      storage_used: 400,
    });
  });

  test("may be repeated, also 20 times at once: it counts once", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 2 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => commit(id, reservationId)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await expire(reservationId);
    await commit(id, reservationId).expect(200);
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 2 });
  });

  test("publishes the quota events of the counter, and none on reserving", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 9 });
    const rest = await reserved(id, { resource: "interviews", amount: 1 });
    await commit(id, reservationId).expect(200);
    await commit(id, rest.reservationId).expect(200);
    await outboxEmpty(service.database);
    const heard = events.heard.filter(
      ({ userId, eventType }) => userId === id && eventType !== "user.created",
    );
    expect(heard.map(({ eventType, data }) => [eventType, data])).toEqual([
      ["user.quota_warning", { resource: "interviews", used: 9, limit: 10, percent: 90 }],
      ["user.quota_exceeded", { resource: "interviews", used: 10, limit: 10, percent: 100 }],
    ]);
  });
});

describe("DELETE …/reservations/:reservationId", () => {
  test("releases it: its part is free again, and nothing was counted", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 10 });
    await reserve(id, { resource: "interviews" }).expect(409);
    const { body } = await release(id, reservationId).expect(200);
    expect(body).toStrictEqual({ message: "Reservation released successfully" });
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 0, reserved: 0, remaining: 10 });
    await reserve(id, { resource: "interviews", amount: 10 }).expect(201);
  });

  test("may be repeated, also after its ttl", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await release(id, reservationId).expect(200);
    await release(id, reservationId).expect(200);
    await expire(reservationId);
    await release(id, reservationId).expect(200);
  });
});

describe("a reservation that ended in another way, with nothing changed", () => {
  type Call = (id: string, reservationId: string) => ReturnType<typeof commit>;
  test.each<[string, Call[], Call, number, string, string]>([
    ["commit after release", [release], commit, 409, "RESERVATION_RELEASED", "has been released"],
    [
      "commit after expiry",
      [(_, one) => expire(one) as never],
      commit,
      409,
      "RESERVATION_EXPIRED",
      "has expired",
    ],
    ["release after commit", [commit], release, 409, "RESERVATION_COMMITTED", "has been committed"],
    [
      "release after expiry",
      [(_, one) => expire(one) as never],
      release,
      409,
      "RESERVATION_EXPIRED",
      "has expired",
    ],
    [
      "release after an event",
      [(id, one) => created(id, one) as never],
      release,
      409,
      "RESERVATION_COMMITTED",
      "has been committed",
    ],
  ])("%s", async (_, before, call, status, code, text) => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "interviews" });
    for (const step of before) await step(id, reservationId);
    const unchanged = [await allRows(service), await allReservations()];
    const answer = await call(id, reservationId);
    expect([answer.status, answer.headers["x-error-code"], answer.body.message]).toEqual([
      status,
      code,
      `Reservation with ID ${reservationId} ${text}`,
    ]);
    expect([await allRows(service), await allReservations()]).toEqual(unchanged);
  });

  test.each<[string, Call]>([
    ["commit", commit],
    ["release", release],
  ])("%s of another user's reservation, and of none, is 404; with a malformed id 400", async (_, call) => {
    const [id, other] = [await userWith(), await userWith()];
    const { reservationId } = await reserved(other, { resource: "interviews" });
    const unchanged = [await allRows(service), await allReservations()];
    for (const wrong of [reservationId, MISSING]) {
      const answer = await call(id, wrong);
      expect([answer.status, answer.headers["x-error-code"], answer.body.message]).toEqual([
        404,
        "RESERVATION_NOT_FOUND",
        `Reservation with ID ${wrong} not found`,
      ]);
    }
    expect(fieldsOf((await call(id, "42").expect(400)).body)).toEqual(["reservationId"]);
    expect([await allRows(service), await allReservations()]).toEqual(unchanged);
  });

  test.each<[string, Call]>([
    ["commit", commit],
    ["release", release],
  ])("%s for a deleted user is 404 User not found", async (_, call) => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await service.http.delete(`/api/v1/users/${id}`).set(service.internal).expect(200);
    const before = await rowOf(service, id);
    const { body } = await call(id, reservationId).expect(404);
    expect(body.message).toBe(`User with ID ${id} not found`);
    expect([await rowOf(service, id), await stateOf(reservationId)]).toEqual([before, "open"]);
  });

  test("of a commit and a release at once, one wins and the other is 409", async () => {
    for (let round = 0; round < 20; round++) {
      const id = await userWith();
      const { reservationId } = await reserved(id, { resource: "interviews" });
      const [committed, released] = await Promise.all([
        commit(id, reservationId),
        release(id, reservationId),
      ]);
      const { interviews_created } = await rowOf(service, id);
      expect([committed.status, released.status, interviews_created]).toEqual(
        committed.status === 200 ? [200, 409, 1] : [409, 200, 0],
      );
    }
  });
});

describe("an event with data.reservationId", () => {
  test("interview.created counts and ends the reservation", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await created(id, reservationId.toUpperCase());
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, reserved: 0, remaining: 9 });
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 1, interviews_active: 1 });
  });

  test("media.uploaded counts its own size and ends the reservation, whatever that was for", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "storage", amount: 500 });
    await uploaded(id, 300, reservationId);
    expect((await quotasOf(id)).storage).toMatchObject({ used: 300, reserved: 0, remaining: 700 });
  });

  test("in the older envelope ends the reservation too", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "storage", amount: 500 });
    const payload = { userId: id, fileId: "f", fileSize: 1, reservationId };
    await service.broker.emit("media.uploaded", {
      ...{
        eventId: crypto.randomUUID(),
        eventType: "media.uploaded",
        timestamp: 1,
        version: "1.0",
        source: "x",
      },
      payload,
    });
    expect((await quotasOf(id)).storage).toMatchObject({ used: 1, reserved: 0 });
  });

  test("counts once, however often it is delivered and the reservation is committed besides", async () => {
    const id = await userWith(10);
    for (const [first, then] of [
      ["event", "commit"],
      ["commit", "event"],
      ["both", "both"],
    ]) {
      const { reservationId } = await reserved(id, { resource: "interviews" });
      const { used } = (await quotasOf(id)).interviews;
      const eventId = crypto.randomUUID();
      const steps = {
        event: () => created(id, reservationId, eventId),
        commit: () => commit(id, reservationId),
      };
      const both = () => Promise.all([steps.event(), steps.commit(), steps.event(), steps.commit()]);
      for (const step of [first, then]) await { ...steps, both }[step as "both"]();
      expect([first, (await quotasOf(id)).interviews]).toMatchObject([
        first,
        { used: used + 1, reserved: 0 },
      ]);
    }
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 3, interviews_active: 3 });
  });

  test("of a file that is smaller than the amount that was committed: its size is what counts", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "storage", amount: 500 });
    await commit(id, reservationId).expect(200);
    expect((await quotasOf(id)).storage.used).toBe(500);
    await uploaded(id, 300, reservationId);
    expect((await quotasOf(id)).storage.used).toBe(300);
  });

  test("two events that name one reservation both count; the reservation ends once", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await Promise.all([created(id, reservationId), created(id, reservationId)]);
    await created(id, reservationId);
    await commit(id, reservationId).expect(200);
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 3, reserved: 0 });
  });

  test("that names none of the user's open reservations of that resource counts as ever", async () => {
    const [id, other] = [await userWith(), await userWith()];
    const theirs = await reserved(other, { resource: "interviews" });
    const storage = await reserved(id, { resource: "storage" });
    const released = await reserved(id, { resource: "interviews" });
    await release(id, released.reservationId).expect(200);
    const expired = await reserved(id, { resource: "interviews" });
    await expire(expired.reservationId);
    const names = [theirs, storage, released, expired].map(({ reservationId }) => reservationId);
    for (const name of [...names, MISSING, "no uuid", 42, null, {}]) await created(id, name);
    const { interviews, storage: bytes } = await quotasOf(id);
    expect([interviews, bytes]).toMatchObject([
      { used: 9, reserved: 0 },
      { used: 0, reserved: 1 },
    ]);
    expect(await stateOf(theirs.reservationId)).toBe("open");
    expect(await stateOf(released.reservationId)).toBe("released");
  });

  test("counts beyond the limit", async () => {
    const id = await userWith(0);
    await created(id, MISSING);
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, limit: 0, exceeded: true });
  });

  test("counts and ends in one transaction: if the outbox refuses, neither happened", async () => {
    const id = await userWith(1);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await outboxEmpty(service.database);
    await service.database.sql("ALTER TABLE outbox ADD CONSTRAINT closed CHECK (false) NOT VALID");
    await created(id, reservationId).catch(() => {}); // its quota event cannot be stored
    const { interviews_created } = await rowOf(service, id);
    const state = await stateOf(reservationId);
    await service.database.sql("ALTER TABLE outbox DROP CONSTRAINT closed");
    expect([interviews_created, state]).toEqual([0, "open"]);
  });
});

describe("an expired reservation", () => {
  test("counts no longer from the second it expires, with no sweeper", async () => {
    const id = await userWith(1);
    const { expiresAt } = await reserved(id, { resource: "interviews", ttl: 1 });
    await reserve(id, { resource: "interviews" }).expect(409);
    await waitFor(async () => (await reserve(id, { resource: "interviews" })).status === 201);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    expect(Date.now() - Date.parse(expiresAt)).toBeLessThan(1000);
  });

  test("is not among the reserved ones", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 4 });
    await reserved(id, { resource: "interviews", amount: 2 });
    await expire(reservationId);
    expect((await quotasOf(id)).interviews).toMatchObject({ reserved: 2, remaining: 8 });
  });

  test("is judged by the time after the lock, not by the time when the request began", async () => {
    const id = await userWith(1);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    const holder = await lockUser(id);
    const waits = commit(id, reservationId).then((answer) => answer);
    await waitFor(someoneWaits);
    await expire(reservationId);
    await holder.end();
    expect((await waits).headers["x-error-code"]).toBe("RESERVATION_EXPIRED");
  });

  test("is purged 30 days later, in slices, and no other is", async () => {
    const id = await userWith();
    const old = [
      await reserved(id, { resource: "interviews" }),
      await reserved(id, { resource: "interviews" }),
    ];
    const kept = await reserved(id, { resource: "interviews" });
    await service.database.sql(
      "UPDATE quota_reservations SET expires_at = now() - interval '30 days 1 minute' WHERE id = ANY($1)",
      [old.map(({ reservationId }) => reservationId)],
    );
    await expire(kept.reservationId);
    const { purgeReservations } = await import("../../services/stats/stats.reservations.ts");
    await purgeReservations({ slice: 1, within: 10_000 });
    expect(await Promise.all([...old, kept].map(({ reservationId }) => stateOf(reservationId)))).toEqual([
      undefined,
      undefined,
      "open",
    ]);
  });
});

describe("a limit of null", () => {
  test("is unlimited: any amount is reserved, and remaining is null", async () => {
    const id = await userWith(null);
    for (const amount of [1, 2 ** 53 - 1, 2 ** 53 - 1]) {
      const { body } = await reserve(id, { resource: "interviews", amount }).expect(201);
      expect(body).toMatchObject({ amount, remaining: null });
    }
    const { interviews } = await quotasOf(id);
    expect(interviews).toEqual({
      used: 0,
      limit: null,
      reserved: 2 ** 53 - 1,
      remaining: null,
      exceeded: false,
    });
  });

  test("locks nothing: a reservation does not wait for whoever has locked the user", async () => {
    const id = await userWith(null);
    const holder = await lockUser(id);
    const { body } = await reserve(id, { resource: "interviews" }).expect(201);
    await holder.end();
    expect((await commit(id, body.reservationId).expect(200)).body.remaining).toBeNull();
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, reserved: 0 });
  });

  test("that becomes a number counts what was reserved before", async () => {
    const id = await userWith(null);
    await reserved(id, { resource: "interviews", amount: 5 });
    await setQuotas(id, { maxInterviews: 6 });
    expect((await reserved(id, { resource: "interviews" })).remaining).toBe(0);
    await reserve(id, { resource: "interviews" }).expect(409);
  });
});

test("GET quotas and PATCH quotas show what is reserved of each resource, and remaining takes it off", async () => {
  const id = await userWith(10);
  await reserved(id, { resource: "interviews", amount: 2 });
  await reserved(id, { resource: "interviews", amount: 3 });
  await reserved(id, { resource: "storage", amount: 100 });
  const expected = {
    interviews: { used: 0, limit: 10, reserved: 5, remaining: 5, exceeded: false },
    storage: { used: 0, limit: 1000, reserved: 100, remaining: 900, exceeded: false },
  };
  expect(await quotasOf(id)).toStrictEqual(expected);
  expect((await setQuotas(id, {})).body).toStrictEqual(expected);
});

test("the ETag of quotas is the version, and names what is reserved if anything is: no 304 is stale", async () => {
  const id = await userWith(10);
  const get = (headers: Headers) =>
    service.http.get(`/api/v1/users/${id}/quotas`).set(service.internal).set(headers);
  const { version } = await rowOf(service, id);
  const before = await get({}).expect(200);
  expect(before.headers.etag).toBe(`"${version}"`);
  const { reservationId } = await reserved(id, { resource: "interviews", amount: 2 });
  const during = await get({ "if-none-match": `"${version}"` }).expect(200);
  expect([during.headers.etag, during.body.interviews.reserved]).toEqual([`"${version}.2.0"`, 2]);
  await get({ "if-none-match": `"${version}.2.0"` }).expect(304);
  await expire(reservationId);
  await get({ "if-none-match": `"${version}.2.0"` }).expect(200);
  await get({ "if-none-match": `"${version}"` }).expect(304);

  const patch = (etag: string) =>
    service.http
      .patch(`/api/v1/users/${id}/quotas`)
      .set({ ...service.internal, "if-match": etag })
      .send({ maxInterviews: 20 });
  await patch(`"${Number(version) + 1}.2.0"`).expect(412);
  await patch(`"${version}.2.0"`).expect(200);
});

test("the metric user_service_quota_reservations shows the reservations by resource and state", async () => {
  await service.database.sql("DELETE FROM quota_reservations");
  const id = await userWith(null);
  const [, committed, released, counted, expired] = await Promise.all(
    Array.from({ length: 5 }, () => reserved(id, { resource: "interviews" })),
  );
  await commit(id, committed?.reservationId ?? "").expect(200);
  await release(id, released?.reservationId ?? "").expect(200);
  await created(id, counted?.reservationId);
  await expire(expired?.reservationId ?? "");
  const shown = async () => {
    const samples = await samplesAt(service.nodeUrl);
    const of = (resource: string, state: string) =>
      samples[`user_service_quota_reservations{resource="${resource}",state="${state}"}`];
    const states = ["open", "committed", "released", "counted", "expired"];
    return ["interviews", "storage"].map((resource) => states.map((state) => of(resource, state)));
  };
  await waitFor(async () => (await shown())[0]?.every((count) => count === 1), 10_000); // shared for 5 s
  expect(await shown()).toEqual([
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0, 0],
  ]);
});

/** Locks a user's row in a transaction of its own, until the connection ends. */
async function lockUser(id: string): Promise<pg.Client> {
  const { env } = service.database;
  const client = new pg.Client({
    host: env.DATABASE_HOST,
    port: Number(env.DATABASE_PORT),
    user: env.DATABASE_USER,
    password: env.DATABASE_PASSWORD,
    database: env.DATABASE_NAME,
  });
  await client.connect();
  await client.query("BEGIN");
  await client.query("SELECT FROM user_service.users WHERE id = $1 FOR UPDATE", [id]);
  return client;
}

async function someoneWaits(): Promise<boolean> {
  const waiting =
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  return (await service.database.sql(waiting)).length > 0;
}
