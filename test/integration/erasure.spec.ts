import { describe, expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { ask, dueDaysAgo, operatorOf, refuses, send } from "../helpers/erasure.ts";
import { events, person, service, turnTo, USERS, withOneUser } from "../helpers/one-user.ts";
import { createUser, rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";

/** Contract 25: an erasure is requested, shown and cancelled. */

withOneUser({ ERASURE_PARTIES: "interview-service,media-service" });

const eventsOf = async (type: string) => {
  await outboxEmpty(service.database);
  return events.received.filter(({ userId, eventType }) => userId === person.id && eventType === type);
};

const DAY = 86_400_000;

describe("POST /users/:id/erasure", () => {
  test("deletes the user at once and answers 202 with an erasure that is due in 30 days", async () => {
    const { status, body } = await send("POST", "/erasure", { reason: "asked" }, person.headers);
    expect([status, body]).toEqual([
      202,
      { erasureId: expect.any(String), status: "scheduled", dueAt: expect.any(String) },
    ]);
    expect(Math.abs(new Date(body.dueAt).getTime() - Date.now() - 30 * DAY)).toBeLessThan(60_000);
    expect((await send("GET")).status).toBe(404);
    expect((await rowOf(service, person.id)).email).toBe(person.email);
    expect((await eventsOf("user.deleted")).map(({ data }) => data)).toEqual([
      { deletedAt: expect.any(String), reason: "user_request" },
    ]);
  });

  test("of a user who is already deleted schedules the erasure, without a second event", async () => {
    await send("DELETE");
    expect((await send("POST", "/erasure")).status).toBe(202);
    expect(await eventsOf("user.deleted")).toHaveLength(1);
  });

  test("repeated, also concurrently, returns the same erasure with the same dueAt", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("POST", "/erasure")));
    const [first] = answers;
    for (const { status, body } of answers) expect([status, body]).toEqual([202, first?.body]);
    expect(await eventsOf("user.deleted")).toHaveLength(1);
  });

  test("with an Idempotency-Key answers a repeat with the stored answer", async () => {
    const asked = {
      method: "POST",
      path: `${USERS}/${person.id}/erasure`,
      headers: { "idempotency-key": "e-1" },
    };
    const first = await ask(asked);
    const again = await ask(asked);
    expect([again.status, again.body, again.headers["idempotency-replayed"]]).toEqual([
      202,
      first.body,
      "true",
    ]);
  });

  test("is 403 for another user, 404 for an unknown user, and 400 if the reason is too long", async () => {
    const stranger = await createUser(service);
    await refuses(
      send("POST", "/erasure", {}, stranger.headers),
      403,
      expect.anything() as never,
      "FORBIDDEN",
    );
    const path = `${USERS}/${crypto.randomUUID()}/erasure`;
    expect((await ask({ method: "POST", path })).status).toBe(404);
    expect((await send("POST", "/erasure", { reason: "x".repeat(501) })).status).toBe(400);
  });
});

describe("GET /users/:id/erasure", () => {
  const stateOf = async (headers?: Headers) => (await send("GET", "/erasure", undefined, headers)).body;

  test("returns scheduled, then erased with the missing services, then complete with their receipts", async () => {
    const { erasureId, dueAt } = (await send("POST", "/erasure")).body;
    const missing = ["interview-service", "media-service"];
    expect(await stateOf(person.headers)).toEqual({
      erasureId,
      status: "scheduled",
      dueAt,
      erasedAt: null,
      receipts: [],
      missing,
    });
    await operatorOf(service).eraseNow(person.id);
    expect(await stateOf()).toMatchObject({
      status: "erased",
      erasedAt: expect.stringMatching(/Z$/),
      missing,
    });
    const receipts = missing.map((service) => ({ erasureId, service }));
    await service.broker.call("users.receive", { receipts: receipts.slice(0, 1) });
    expect(await stateOf()).toMatchObject({ status: "erased", missing: ["media-service"] });
    await service.broker.call("users.receive", { receipts });
    expect(await stateOf()).toMatchObject({
      status: "complete",
      missing: [],
      receipts: missing.map((service) => ({ service, at: expect.stringMatching(/Z$/) })),
    });
  });

  test("returns overdue a day after dueAt, and a day after erasedAt if a receipt is missing", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 0.9);
    expect((await stateOf()).status).toBe("scheduled");
    await dueDaysAgo(service, person.id, 1.1);
    expect((await stateOf()).status).toBe("overdue");
    await operatorOf(service).eraseNow(person.id);
    expect((await stateOf()).status).toBe("erased");
    await service.database.sql(
      "UPDATE erasures SET erased_at = now() - interval '25 hours' WHERE user_id = $1",
      [person.id],
    );
    expect((await stateOf()).status).toBe("overdue");
  });

  test("is 404 if none was requested, and after it was cancelled", async () => {
    const message = `No erasure of the user with ID ${person.id} was requested`;
    await refuses(send("GET", "/erasure"), 404, message, "ERASURE_NOT_FOUND");
    await send("POST", "/erasure");
    await send("DELETE", "/erasure");
    await refuses(send("GET", "/erasure"), 404, message, "ERASURE_NOT_FOUND");
  });

  test("is only for admins after the erasure, because the user has no owner any more", async () => {
    await operatorOf(service).eraseNow(person.id);
    expect((await send("GET", "/erasure", undefined, person.headers)).status).toBe(403);
    expect((await send("GET", "/erasure")).status).toBe(200);
    expect((await ask({ path: `${USERS}/me/erasure` }, person.headers)).status).toBe(404);
  });

  test("at /users/me returns the erasure of the token's user, although that user is deleted", async () => {
    const { body } = await ask({ method: "POST", path: `${USERS}/me/erasure` }, person.headers);
    const shown = await ask({ path: `${USERS}/me/erasure` }, person.headers);
    expect([shown.status, shown.body.erasureId]).toEqual([200, body.erasureId]);
    expect((await ask({ path: `${USERS}/me/export` }, person.headers)).status).toBe(200);
  });
});

describe("DELETE /users/:id/erasure", () => {
  test("cancels a scheduled erasure and restores the user, also after the 30 days for a restore", async () => {
    await send("POST", "/erasure");
    await service.database.sql("UPDATE users SET deleted_at = now() - interval '99 days' WHERE id = $1", [
      person.id,
    ]);
    const { status, body } = await send("DELETE", "/erasure");
    expect([status, body]).toEqual([200, { message: "Erasure cancelled, user restored" }]);
    expect((await send("GET")).status).toBe(200);
    expect(await eventsOf("user.restored")).toHaveLength(1);
    expect((await operatorOf(service).purge()).erased).toBe(0);
    expect((await send("POST", "/erasure")).status).toBe(202); // a new one
  });

  test("is 404 without a scheduled erasure, 410 after the erasure, and 409 if another user has the e-mail or the keycloakId", async () => {
    const { id, email } = person;
    const none = `No erasure of the user with ID ${id} was requested`;
    await refuses(send("DELETE", "/erasure"), 404, none, "ERASURE_NOT_FOUND");
    await send("POST", "/erasure");
    await createUser(service, { email });
    await refuses(send("DELETE", "/erasure"), 409, `User with email ${email} already exists`, "EMAIL_TAKEN");
    turnTo(await createUser(service));
    await send("POST", "/erasure");
    const { keycloakId } = await createUser(service, { keycloakId: person.keycloakId });
    const taken = `User with Keycloak ID ${keycloakId} already exists`;
    await refuses(send("DELETE", "/erasure"), 409, taken, "KEYCLOAK_ID_TAKEN");
    turnTo({ ...person, id });
    await operatorOf(service).eraseNow(id);
    await refuses(send("DELETE", "/erasure"), 410, `User with ID ${id} has been erased`, "USER_ERASED");
  });
});

test("a restore cancels the scheduled erasure too, and is 410 after the erasure", async () => {
  await send("POST", "/erasure");
  expect((await send("POST", "/restore")).status).toBe(200);
  expect((await send("GET", "/erasure")).status).toBe(404);
  await operatorOf(service).eraseNow(person.id);
  const message = `User with ID ${person.id} has been erased`;
  await refuses(send("POST", "/restore"), 410, message, "USER_ERASED");
  await refuses(send("POST", "/erasure"), 410, message, "USER_ERASED");
  await refuses(send("PUT", "/hold", { reason: "late" }), 410, message, "USER_ERASED");
});

test("an export shows the erasure", async () => {
  const { erasureId } = (await send("POST", "/erasure")).body;
  const { erasures } = (await send("GET", "/export")).body as unknown as { erasures: object[] };
  expect(erasures).toEqual([expect.objectContaining({ erasureId, status: "scheduled" })]);
});
