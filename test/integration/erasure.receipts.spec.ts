import { describe, expect, test } from "@jest/globals";
import { dueDaysAgo, operatorOf, send } from "../helpers/erasure.ts";
import { person, service, withOneUser } from "../helpers/one-user.ts";
import { samplesAt } from "../helpers/samples.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: the answers of other services. */

withOneUser({ ERASURE_PARTIES: "interview-service,media-service" });

describe("erasure.completed", () => {
  const emit = (data: object) =>
    service.broker.emit("erasure.completed", { eventType: "erasure.completed", userId: person.id, data });
  const receipts = () =>
    service.database.sql(
      "SELECT service FROM erasure_receipts JOIN erasures ON id = erasure_id WHERE user_id = $1",
      [person.id],
    );
  const letters = async () =>
    (await service.database.sql<{ message: string }>("SELECT message FROM dead_letters ORDER BY id")).map(
      ({ message }) => message,
    );

  test("is recorded once if it is repeated, also from a service that is not required to answer", async () => {
    const { erasureId } = (await send("POST", "/erasure")).body;
    await operatorOf(service).eraseNow(person.id);
    for (const name of ["media-service", "media-service", "a-guest"])
      await emit({ erasureId, service: name });
    await waitFor(async () => (await receipts()).length >= 2);
    expect((await receipts()).map(({ service }) => service).sort()).toEqual(["a-guest", "media-service"]);
    expect((await send("GET", "/erasure")).body.missing).toEqual(["interview-service"]);
  });

  test("is read in either envelope, without userId and eventId", async () => {
    const { erasureId } = (await send("POST", "/erasure")).body;
    const eventType = "erasure.completed";
    await service.broker.emit(eventType, { eventType, data: { erasureId, service: "one" } });
    await service.broker.emit(eventType, {
      eventType,
      timestamp: Date.now(),
      payload: { erasureId, service: "two" },
    });
    await waitFor(async () => (await receipts()).length === 2);
    expect((await receipts()).map(({ service }) => service).sort()).toEqual(["one", "two"]);
  });

  test("becomes a dead letter with the reason if the erasure is unknown or fields are missing", async () => {
    await service.database.sql("DELETE FROM dead_letters");
    const erasureId = crypto.randomUUID();
    await emit({ erasureId, service: "media-service" });
    await waitFor(async () => (await letters()).length === 1);
    await emit({ erasureId: "none", service: "" });
    await waitFor(async () => (await letters()).length === 2);
    expect(await letters()).toEqual([
      `Erasure with ID ${erasureId} not found`,
      expect.stringMatching(/^erasureId must be a UUID; service /),
    ]);
    expect(await receipts()).toEqual([]);
  });

  test("of an unknown erasure is recorded by a replay once the erasure exists", async () => {
    const { sql } = service.database;
    await sql("DELETE FROM dead_letters");
    const erasureId = crypto.randomUUID();
    await emit({ erasureId, service: "media-service" });
    await waitFor(async () => (await letters()).length === 1);
    const [letter] = await sql<{ id: number }>("SELECT id::int FROM dead_letters");
    const { replayDeadLetters } = await import("../../services/ingest/dead-letter.store.ts");
    const replay = async () => {
      expect(await replayDeadLetters([letter?.id ?? 0])).toHaveLength(1);
      const settled = "SELECT FROM dead_letters WHERE retry_at IS NOT NULL";
      await waitFor(async () => (await sql(settled)).length === 0);
    };
    await replay();
    expect([await letters(), await receipts()]).toEqual([[`Erasure with ID ${erasureId} not found`], []]);

    await send("POST", "/erasure");
    await sql("UPDATE erasures SET id = $1 WHERE user_id = $2", [erasureId, person.id]);
    await replay();
    expect([await letters(), await receipts()]).toEqual([[], [{ service: "media-service" }]]);
    const again = { receipts: [{ erasureId, service: "media-service" }] };
    expect(await service.broker.call("users.receive", again)).toEqual(["duplicate"]);
    expect(await receipts()).toHaveLength(1);
  });
});

test("the metric of overdue erasures counts them by reason, from a day after the due time until they are done", async () => {
  const { sql } = service.database;
  const { observeOverdue } = await import("../../services/users/users.overdue.ts");
  const overdue = async () => {
    await observeOverdue();
    const samples = await samplesAt(service.nodeUrl);
    const of = (reason: string) => samples[`user_service_erasures_overdue{reason="${reason}"}`];
    return [of("not_erased"), of("held"), of("not_answered")];
  };
  const erasedHoursAgo = (hours: number) =>
    sql("UPDATE erasures SET erased_at = now() - $2::int * interval '1 hour' WHERE user_id = $1", [
      person.id,
      hours,
    ]);
  await sql("DELETE FROM erasures");
  const { erasureId } = (await send("POST", "/erasure")).body;
  await dueDaysAgo(service, person.id, 0.9);
  expect(await overdue()).toEqual([0, 0, 0]);
  await dueDaysAgo(service, person.id, 1.1);
  expect(await overdue()).toEqual([1, 0, 0]);
  await send("PUT", "/hold", { reason: "court case" });
  expect(await overdue()).toEqual([0, 1, 0]);
  await send("DELETE", "/hold");
  await operatorOf(service).eraseNow(person.id);
  await erasedHoursAgo(23);
  expect(await overdue()).toEqual([0, 0, 0]);
  await erasedHoursAgo(25);
  expect(await overdue()).toEqual([0, 0, 1]);
  const receiptsOf = (...names: string[]) => ({ receipts: names.map((service) => ({ erasureId, service })) });
  await service.broker.call("users.receive", receiptsOf("media-service", "a-guest"));
  expect(await overdue()).toEqual([0, 0, 1]);
  await service.broker.call("users.receive", receiptsOf("interview-service"));
  expect(await overdue()).toEqual([0, 0, 0]);
});
