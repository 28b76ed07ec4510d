import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { fieldsOf } from "../helpers/errors.ts";
import { allRows, rowOf } from "../helpers/people.ts";
import { MISSING, reservationsOf } from "../helpers/reservations.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 26: a reservation is committed, released or expires. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

const {
  reserve,
  commit,
  release,
  reserved,
  quotasOf,
  userWith,
  expire,
  allReservations,
  stateOf,
  created,
  lockUser,
} = reservationsOf(() => service);

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

  test("is counted once if it is repeated, also 20 times concurrently", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 2 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => commit(id, reservationId)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await expire(reservationId);
    await commit(id, reservationId).expect(200);
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 2 });
  });

  test("publishes the quota events of the counter; a reservation alone publishes none", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 9 });
    const rest = await reserved(id, { resource: "interviews", amount: 1 });
    await commit(id, reservationId).expect(200);
    await commit(id, rest.reservationId).expect(200);
    await outboxEmpty(service.database);
    const received = events.received.filter(
      ({ userId, eventType }) => userId === id && eventType !== "user.created",
    );
    expect(received.map(({ eventType, data }) => [eventType, data])).toEqual([
      ["user.quota_warning", { resource: "interviews", used: 9, limit: 10, percent: 90 }],
      ["user.quota_exceeded", { resource: "interviews", used: 10, limit: 10, percent: 100 }],
    ]);
  });
});

describe("DELETE …/reservations/:reservationId", () => {
  test("releases the reservation: its amount is available again, and nothing was counted", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 10 });
    await reserve(id, { resource: "interviews" }).expect(409);
    const { body } = await release(id, reservationId).expect(200);
    expect(body).toStrictEqual({ message: "Reservation released successfully" });
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 0, reserved: 0, remaining: 10 });
    await reserve(id, { resource: "interviews", amount: 10 }).expect(201);
  });

  test("succeeds if it is repeated, also after the ttl", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await release(id, reservationId).expect(200);
    await release(id, reservationId).expect(200);
    await expire(reservationId);
    await release(id, reservationId).expect(200);
  });
});

describe("a commit or release of a reservation that ended in another way is 409 and changes nothing", () => {
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

  test("of a concurrent commit and release, one succeeds and the other is 409", async () => {
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

describe("an expired reservation", () => {
  test("no longer counts from the second in which it expires, without a sweeper", async () => {
    const id = await userWith(1);
    const { expiresAt } = await reserved(id, { resource: "interviews", ttl: 1 });
    await reserve(id, { resource: "interviews" }).expect(409);
    await waitFor(async () => (await reserve(id, { resource: "interviews" })).status === 201);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    expect(Date.now() - Date.parse(expiresAt)).toBeLessThan(1000);
  });

  test("is not included in reserved", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews", amount: 4 });
    await reserved(id, { resource: "interviews", amount: 2 });
    await expire(reservationId);
    expect((await quotasOf(id)).interviews).toMatchObject({ reserved: 2, remaining: 8 });
  });

  test("is determined by the time after the lock, not at the start of the request", async () => {
    const id = await userWith(1);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    const holder = await lockUser(id);
    const waits = commit(id, reservationId).then((answer) => answer);
    await waitFor(service.database.someoneWaits);
    await expire(reservationId);
    await holder.end();
    expect((await waits).headers["x-error-code"]).toBe("RESERVATION_EXPIRED");
  });

  test("is purged after 30 days, in slices, and others are kept", async () => {
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
