import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { erasureOf, operatorOf } from "../helpers/erasure.ts";
import { createUser, type Person } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: the answers of other services. */

let service: TestService;
let operator: ReturnType<typeof operatorOf>;
let admin: Headers;
let person: Person;
beforeAll(async () => {
  service = await startService({ env: { ERASURE_PARTIES: "interview-service,media-service" } });
  operator = operatorOf(service);
  admin = await service.admin();
});
beforeEach(async () => {
  person = await createUser(service);
});
afterAll(() => service.stop());

const { send } = erasureOf(() => ({ service, admin, person }));

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

  test("is recorded once, however often it is sent, also of a service that is not asked to answer", async () => {
    const { erasureId } = (await send("POST", "/erasure")).body;
    await operator.eraseNow(person.id);
    for (const name of ["media-service", "media-service", "a-guest"])
      await emit({ erasureId, service: name });
    await waitFor(async () => (await receipts()).length >= 2);
    expect((await receipts()).map(({ service }) => service).sort()).toEqual(["a-guest", "media-service"]);
    expect((await send("GET", "/erasure")).body.missing).toEqual(["interview-service"]);
  });

  test("of an unknown erasure, or without its fields, is a dead letter that says so", async () => {
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
});
