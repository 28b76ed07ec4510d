import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { rowOf } from "../helpers/people.ts";
import { MISSING, reservationsOf } from "../helpers/reservations.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 26: an event ends a reservation. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const { commit, release, reserved, quotasOf, userWith, expire, stateOf, created, uploaded } = reservationsOf(
  () => service,
);

describe("an event with data.reservationId", () => {
  test("of type interview.created is counted and ends the reservation", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await created(id, reservationId.toUpperCase());
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, reserved: 0, remaining: 9 });
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 1, interviews_active: 1 });
  });

  test("of type media.uploaded is counted with its own size and ends the reservation of any amount", async () => {
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

  test("is counted once, although it is delivered repeatedly and the reservation is committed too", async () => {
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

  test("replaces the committed amount by the size of its file", async () => {
    const id = await userWith();
    const { reservationId } = await reserved(id, { resource: "storage", amount: 500 });
    await commit(id, reservationId).expect(200);
    expect((await quotasOf(id)).storage.used).toBe(500);
    await uploaded(id, 300, reservationId);
    expect((await quotasOf(id)).storage.used).toBe(300);
  });

  test("is counted also if another event names the same reservation, which ends once", async () => {
    const id = await userWith(10);
    const { reservationId } = await reserved(id, { resource: "interviews" });
    await Promise.all([created(id, reservationId), created(id, reservationId)]);
    await created(id, reservationId);
    await commit(id, reservationId).expect(200);
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 3, reserved: 0 });
  });

  test("is counted as usual if it names no open reservation of the user and resource", async () => {
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

  test("is counted beyond the limit", async () => {
    const id = await userWith(0);
    await created(id, MISSING);
    expect((await quotasOf(id)).interviews).toMatchObject({ used: 1, limit: 0, exceeded: true });
  });

  test("is counted and ends the reservation in one transaction: if the outbox fails, neither happens", async () => {
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
