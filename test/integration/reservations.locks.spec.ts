import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MISSING, type Reserved, reservationsOf } from "../helpers/reservations.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 26: the locks that reservations take and wait for. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const { reserve, commit, reserved, quotasOf, setQuotas, userWith, lockUser } = reservationsOf(() => service);

describe("a limit of null", () => {
  test("means unlimited: the largest amounts are reserved, and remaining is null", async () => {
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

  test("allows reservations without waiting for a lock on the user", async () => {
    const id = await userWith(null);
    const holder = await lockUser(id);
    const { body } = await reserve(id, { resource: "interviews" }).expect(201);
    await holder.end();
    expect((await commit(id, body.reservationId).expect(200)).body.remaining).toBeNull();
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, reserved: 0 });
  });

  test("causes no locks: a reservation does not lock the user's row", async () => {
    const id = await userWith(null);
    const lastLock = () => service.database.sql("SELECT xmax FROM users WHERE id = $1", [id]);
    const before = await lastLock();
    await reserve(id, { resource: "interviews" }).expect(201);
    expect(await lastLock()).toEqual(before);
    await reserve(id, { resource: "storage" }).expect(201);
    expect(await lastLock()).not.toEqual(before);
  });

  test("that becomes a number includes earlier reservations", async () => {
    const id = await userWith(null);
    await reserved(id, { resource: "interviews", amount: 5 });
    await setQuotas(id, { maxInterviews: 6 });
    expect((await reserved(id, { resource: "interviews" })).remaining).toBe(0);
    await reserve(id, { resource: "interviews" }).expect(409);
  });
});

test("only users whose rows are locked wait: other concurrent reservations succeed at once", async () => {
  const [locked = "", other = "", another = "", unlimited = ""] = await Promise.all(
    [1, 1, 10, null].map((limit) => userWith(limit)),
  );
  const holders = await Promise.all([lockUser(locked), lockUser(other)]);
  const reserveNow = (id: string) =>
    service.broker.call<Reserved, object>("stats.reserve", { id, resource: "interviews" });
  const waiting = Promise.allSettled([reserveNow(locked), reserveNow(locked), reserveNow(other)]);
  const free = [another, MISSING, unlimited, another].map(reserveNow);
  expect(await Promise.allSettled(free)).toMatchObject([
    { value: { remaining: 9 } },
    { reason: { type: "USER_NOT_FOUND" } },
    { value: { remaining: null } },
    { value: { remaining: 8 } },
  ]);
  expect(await service.database.someoneWaits()).toBe(true);
  await Promise.all(holders.map((holder) => holder.end()));
  expect(await waiting).toMatchObject([
    { value: { remaining: 0 } },
    { reason: { type: "QUOTA_EXCEEDED" } },
    { value: { remaining: 0 } },
  ]);
});
