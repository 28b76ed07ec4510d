import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";
import { MISSING, reservationsOf } from "../helpers/reservations.ts";
import { samplesAt } from "../helpers/samples.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 26: reservations of a quota. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const {
  pathOf,
  reserve,
  commit,
  release,
  reserved,
  quotasOf,
  setQuotas,
  userWith,
  expire,
  allReservations,
  created,
} = reservationsOf(() => service);

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

  test("reserves 1 for 900 s unless amount and ttl are given", async () => {
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

  test("use counts against the limit, and a negative counter counts as 0", async () => {
    const id = await userWith(10);
    await service.database.sql("UPDATE users SET interviews_created = 9, storage_used = -5 WHERE id = $1", [
      id,
    ]);
    await reserve(id, { resource: "interviews", amount: 2 }).expect(409);
    await reserve(id, { resource: "storage", amount: 1001 }).expect(409);
    expect((await reserved(id, { resource: "storage", amount: 1000 })).remaining).toBe(0);
  });

  test("is refused while the use is over the limit, which events can cause", async () => {
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

  test.each([1, 86_400])("a ttl of %d s is accepted", async (ttl) => {
    await reserve(await userWith(), { resource: "interviews", ttl }).expect(201);
  });

  test("the largest amount, 2^53-1, is accepted if the limit is as large", async () => {
    const id = await userWith();
    const most = 2 ** 53 - 1;
    await setQuotas(id, { maxStorage: most });
    expect((await reserved(id, { resource: "storage", amount: most })).remaining).toBe(0);
    await reserve(id, { resource: "storage" }).expect(409);
  });

  test("a missing resource is 400, an unknown or deleted user 404", async () => {
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

  test("a repeat of a refusal is refused with the same details, although the amount would now be available", async () => {
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

test("GET quotas and PATCH quotas return reserved of each resource, and subtract it from remaining", async () => {
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

test("the ETag of quotas contains the version and the reserved amounts, so that no 304 is stale", async () => {
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

test("the metric user_service_quota_reservations counts reservations by resource and state", async () => {
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
  await waitFor(async () => (await shown())[0]?.every((count) => count === 1), 10_000); // the figures are shared for 5 s
  expect(await shown()).toEqual([
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0, 0],
  ]);
});
