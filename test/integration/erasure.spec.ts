import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { dueDaysAgo, type ErasureBody, foundIn, operatorOf } from "../helpers/erasure.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import { type Asked, type Headers, requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: erasure, holds and receipts. */

const events = collectEvents();
let service: TestService;
let operator: ReturnType<typeof operatorOf>;
let admin: Headers;
let person: Person;
beforeAll(async () => {
  service = await startService({
    services: [events.schema],
    env: { ERASURE_PARTIES: "interview-service,media-service" },
  });
  operator = operatorOf(service);
  admin = await service.admin();
});
beforeEach(async () => {
  person = await createUser(service);
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const ask = async (asked: Asked, headers: Headers = admin) => {
  const answer = await requestAs(service.url, headers, asked);
  return { ...answer, body: answer.body as ErasureBody };
};
const send = (method: string, rest = "", body?: object, headers?: Headers) =>
  ask({ method, path: `${users}/${person.id}${rest}`, body }, headers);
const eventsOf = async (type: string) => {
  await outboxEmpty(service.database);
  return events.heard.filter(({ userId, eventType }) => userId === person.id && eventType === type);
};
const state = async () => [
  await allRows(service),
  await entriesOf(service, person.id),
  await service.database.sql("SELECT * FROM erasures ORDER BY id"),
  await service.database.sql("SELECT * FROM legal_holds ORDER BY id"),
  await service.database.sql("SELECT * FROM erasure_receipts ORDER BY erasure_id, service"),
];
/** Expects that a request is refused and changes nothing. */
async function refuses(asked: ReturnType<typeof send>, status: number, message: string, code: string) {
  const before = await state();
  const { body, headers } = await asked;
  expect(body).toEqual(errorBody(status, message));
  expect(headers["x-error-code"]).toBe(code);
  expect(await state()).toEqual(before);
}
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

  test("of a user that is deleted already schedules the erasure, without a second event", async () => {
    await send("DELETE");
    expect((await send("POST", "/erasure")).status).toBe(202);
    expect(await eventsOf("user.deleted")).toHaveLength(1);
  });

  test("twice is the same erasure, with its dueAt, whatever runs at once", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("POST", "/erasure")));
    const [first] = answers;
    for (const { status, body } of answers) expect([status, body]).toEqual([202, first?.body]);
    expect(await eventsOf("user.deleted")).toHaveLength(1);
  });

  test("with an Idempotency-Key answers a repeat with the stored answer", async () => {
    const asked = {
      method: "POST",
      path: `${users}/${person.id}/erasure`,
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

  test("by a stranger is 403, of a user that never was 404, and a reason that is too long 400", async () => {
    const stranger = await createUser(service);
    await refuses(
      send("POST", "/erasure", {}, stranger.headers),
      403,
      expect.anything() as never,
      "FORBIDDEN",
    );
    const path = `${users}/${crypto.randomUUID()}/erasure`;
    expect((await ask({ method: "POST", path })).status).toBe(404);
    expect((await send("POST", "/erasure", { reason: "x".repeat(501) })).status).toBe(400);
  });
});

describe("GET /users/:id/erasure", () => {
  const stateOf = async (headers?: Headers) => (await send("GET", "/erasure", undefined, headers)).body;

  test("is scheduled, then erased with the missing services, then complete with their receipts", async () => {
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
    await operator.eraseNow(person.id);
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

  test("is overdue a day after dueAt, and a day after erasedAt while a receipt is missing", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 0.9);
    expect((await stateOf()).status).toBe("scheduled");
    await dueDaysAgo(service, person.id, 1.1);
    expect((await stateOf()).status).toBe("overdue");
    await operator.eraseNow(person.id);
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

  test("at /users/me shows the erasure of the token's user, who is deleted by then", async () => {
    const { body } = await ask({ method: "POST", path: `${users}/me/erasure` }, person.headers);
    const shown = await ask({ path: `${users}/me/erasure` }, person.headers);
    expect([shown.status, shown.body.erasureId]).toEqual([200, body.erasureId]);
    expect((await ask({ path: `${users}/me/export` }, person.headers)).status).toBe(200);
  });
});

describe("DELETE /users/:id/erasure", () => {
  test("cancels while scheduled and restores the user, also after the 30 days of a restore", async () => {
    await send("POST", "/erasure");
    await service.database.sql("UPDATE users SET deleted_at = now() - interval '99 days' WHERE id = $1", [
      person.id,
    ]);
    const { status, body } = await send("DELETE", "/erasure");
    expect([status, body]).toEqual([200, { message: "Erasure cancelled, user restored" }]);
    expect((await send("GET")).status).toBe(200);
    expect(await eventsOf("user.restored")).toHaveLength(1);
    expect((await operator.purge()).erased).toBe(0);
    expect((await send("POST", "/erasure")).status).toBe(202); // a new one
  });

  test("is 404 without a scheduled erasure, 410 after the erasure, and 409 if the e-mail was taken", async () => {
    const { id, email } = person;
    const none = `No erasure of the user with ID ${id} was requested`;
    await refuses(send("DELETE", "/erasure"), 404, none, "ERASURE_NOT_FOUND");
    await send("POST", "/erasure");
    await createUser(service, { email });
    await refuses(send("DELETE", "/erasure"), 409, `User with email ${email} already exists`, "EMAIL_TAKEN");
    await operator.eraseNow(id);
    await refuses(send("DELETE", "/erasure"), 410, `User with ID ${id} has been erased`, "USER_ERASED");
  });
});

test("a restore cancels the scheduled erasure too, and is 410 after the erasure", async () => {
  await send("POST", "/erasure");
  expect((await send("POST", "/restore")).status).toBe(200);
  expect((await send("GET", "/erasure")).status).toBe(404);
  await operator.eraseNow(person.id);
  const message = `User with ID ${person.id} has been erased`;
  await refuses(send("POST", "/restore"), 410, message, "USER_ERASED");
  await refuses(send("POST", "/erasure"), 410, message, "USER_ERASED");
  await refuses(send("PUT", "/hold", { reason: "late" }), 410, message, "USER_ERASED");
});

describe("a legal hold", () => {
  const onHold = () => `User with ID ${person.id} is on legal hold`;

  test("is set with its reason, replaced and released by admins", async () => {
    const { status, body } = await send("PUT", "/hold", { reason: "court case" });
    expect([status, body]).toEqual([
      200,
      { userId: person.id, reason: "court case", since: expect.stringMatching(/Z$/) },
    ]);
    expect((await send("PUT", "/hold", { reason: "another" })).body.reason).toBe("another");
    const released = await send("DELETE", "/hold", { reason: "closed" });
    expect([released.status, released.body]).toEqual([200, { message: "Hold released successfully" }]);
    const none = `User with ID ${person.id} is not on legal hold`;
    await refuses(send("DELETE", "/hold"), 404, none, "HOLD_NOT_FOUND");
  });

  test("makes POST erasure 409 LEGAL_HOLD, and nothing changes", async () => {
    await send("PUT", "/hold", { reason: "court case" });
    await refuses(send("POST", "/erasure"), 409, onHold(), "LEGAL_HOLD");
    expect((await send("GET")).status).toBe(200);
    await send("DELETE", "/hold");
    expect((await send("POST", "/erasure")).status).toBe(202);
  });

  test("keeps a user whose erasure is due; after its release the user is erased", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 2);
    await send("PUT", "/hold", { reason: "court case" });
    await expect(operator.eraseNow(person.id)).rejects.toMatchObject({ code: 409, type: "LEGAL_HOLD" });
    await operator.purge();
    expect((await rowOf(service, person.id)).email).toBe(person.email);
    expect((await send("GET", "/erasure")).body.status).toBe("overdue");
    await send("DELETE", "/hold");
    expect((await operator.purge()).erased).toBe(1);
    expect((await rowOf(service, person.id)).email).toBe("");
  });
});

describe("erasing", () => {
  const secret = () => `secret${crypto.randomUUID().replaceAll("-", "")}`;

  /** Writes random texts to every place that can hold one. Returns the texts. */
  async function writeEverywhere() {
    const [sub, mail, name, company, bio, file] = Array.from({ length: 6 }, secret) as [
      string,
      ...string[],
    ] as string[];
    person = await createUser(service, {
      keycloakId: sub,
      email: `${mail}@example.com`,
      profile: { fullName: name, companyName: company, bio: bio ?? "" },
    });
    const headers = { "idempotency-key": secret() };
    const signUp = { ...newUser({ keycloakId: sub, email: `${mail}@example.com` }) };
    expect((await ask({ method: "POST", path: users, headers, body: signUp })).status).toBe(409);
    await send("PATCH", "", { profile: { bio: `${bio}2`, phone: "+49 30 901820" } }, person.headers);
    await send("PATCH", "/preferences", { language: "de", timezone: "Europe/Berlin" });
    await ask(uploadOf(person.id, await jpeg()));
    await service.broker.emit("media.uploaded", {
      eventType: "media.uploaded",
      userId: person.id.toUpperCase(),
      data: { fileId: file, fileSize: -1 },
    });
    await waitFor(async () => (await service.database.sql("SELECT FROM dead_letters")).length > 0);
    return [sub, mail, name, company, bio, file].map(String);
  }

  test("leaves none of the texts of a person in the database or in the store, and the row with its counters", async () => {
    const signUp = { ...newUser(), keycloakId: secret() };
    const keyed = { method: "POST", path: users, headers: { "idempotency-key": secret() }, body: signUp };
    person = { ...person, ...(await ask(keyed)).body } as never;
    const answered = [signUp.keycloakId, signUp.email];
    expect(await foundIn(service, answered)).toEqual(answered);
    await operator.eraseNow(person.id);
    expect(await foundIn(service, answered)).toEqual([]);

    const texts = await writeEverywhere();
    await outboxEmpty(service.database);
    expect(await foundIn(service, texts)).toEqual(texts);
    const before = await rowOf(service, person.id);
    await service.database.sql("UPDATE users SET interviews_created = 3 WHERE id = $1", [person.id]);
    await operator.eraseNow(person.id);
    expect(await foundIn(service, texts)).toEqual([]);
    expect(await rowOf(service, person.id)).toMatchObject({
      keycloak_id: "",
      email: "",
      full_name: "",
      company_name: null,
      phone: null,
      bio: null,
      preferences: {},
      avatar_url: null,
      avatar_key: null,
      interviews_created: 3,
      storage_used: before.storage_used,
      max_storage: before.max_storage,
    });
    await outboxEmpty(service.database);
    const { objectStore } = await import("../../lib/object-store/object-store.ts"); // reads the configuration
    const objects = () => Array.fromAsync(objectStore.list({ prefix: `${person.id}/` }));
    expect(await waitFor(async () => (await objects()).length === 0)).toBe(true);
  });

  test("keeps who, when and which field of the history, and removes all values", async () => {
    await send("PATCH", "", { profile: { bio: "mine" } }, person.headers);
    await send("PATCH", "", { profile: { bio: "yours" } });
    const before = await entriesOf(service, person.id);
    await operator.eraseNow(person.id);
    const entries = await entriesOf(service, person.id);
    for (const [index, { version, at, changes, by, traceId }] of before.entries()) {
      const kept = { version, at, traceId, by: by.id === person.keycloakId ? { kind: by.kind } : by };
      expect(entries[index]).toMatchObject(kept);
      expect(Object.keys(entries[index]?.changes ?? {}).sort()).toEqual(Object.keys(changes).sort());
    }
    const values = entries.flatMap(({ changes }) => Object.values(changes));
    expect(values).toEqual(values.map(() => ({ from: null, to: null })));
  });

  test("publishes one user.erased with the erasureId only, which its last entry of the history names", async () => {
    const { erasureId } = (await send("POST", "/erasure")).body;
    await operator.eraseNow(person.id);
    const [event, ...more] = await eventsOf("user.erased");
    expect([event?.data, more]).toEqual([{ erasureId }, []]);
    expect((await entriesOf(service, person.id)).at(-1)?.eventId).toBe(event?.eventId);
  });

  test("removes what waits in the outbox with personal data, and publishes the deletion and the erasure", async () => {
    const waiting = (type: string, more = {}) =>
      JSON.stringify({ eventType: type, userId: person.id, ...more });
    const record = (topic: string, key: string | null, value: string) =>
      service.database.sql(
        "INSERT INTO outbox (topic, key, value, set_aside_at) VALUES ($1, $2, $3, now())",
        [topic, key, value],
      );
    await record("user-events", person.id, waiting("user.updated", { data: { changes: { bio: "x" } } }));
    await record("user-events", person.id, waiting("user.deleted", { data: { reason: "user_request" } }));
    await record("media-events-dlq", null, JSON.stringify({ originalEvent: { userId: person.id } }));
    await operator.eraseNow(person.id);
    const left = await service.database.sql<{ type: string }>(
      "SELECT value ->> 'eventType' AS type FROM outbox WHERE value::text LIKE $1 ORDER BY id",
      [`%${person.id}%`],
    );
    await service.database.sql("DELETE FROM outbox");
    expect(left.map(({ type }) => type)).toEqual(["user.deleted", "user.deleted", "user.erased"]);
  });

  test("leaves all other users as they are", async () => {
    const other = await createUser(service);
    await ask({ method: "PATCH", path: `${users}/${other.id}`, body: { profile: { bio: "mine" } } });
    const before = [await rowOf(service, other.id), await entriesOf(service, other.id)];
    await operator.eraseNow(person.id);
    expect([await rowOf(service, other.id), await entriesOf(service, other.id)]).toEqual(before);
  });

  test("lets the person sign up again, as another user", async () => {
    await operator.eraseNow(person.id);
    const again = await createUser(service, { keycloakId: person.keycloakId, email: person.email });
    expect(again.id).not.toBe(person.id);
  });

  test("that fails at any statement leaves the user whole, and the next attempt erases", async () => {
    await outboxEmpty(service.database);
    const whole = async () => [await state(), await service.database.sql("SELECT id FROM outbox")];
    const before = await whole();
    for (const table of [
      "user_history",
      "outbox",
      "dead_letters",
      "idempotent_answers",
      "legal_holds",
      "erasures",
    ]) {
      await service.database.sql(`
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stop'; END $$;
        CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON ${table} EXECUTE FUNCTION fail()`);
      await expect(operator.eraseNow(person.id)).rejects.toThrow();
      await service.database.sql(`DROP TRIGGER fail ON ${table}; DROP FUNCTION fail()`);
      expect([table, await whole()]).toEqual([table, before]);
    }
    await operator.eraseNow(person.id);
    expect((await rowOf(service, person.id)).email).toBe("");
  });
});

describe("the purge", () => {
  test("erases all users that are due, and no others; two at once erase each user once", async () => {
    const people: Person[] = [];
    for (let count = 0; count < 6; count++) {
      person = await createUser(service);
      people.push(person);
      await send("POST", "/erasure");
      if (count > 0) await dueDaysAgo(service, person.id, 0);
    }
    const runs = await Promise.all([operator.purge(), operator.purge()]);
    expect(runs.reduce((sum, { erased }) => sum + erased, 0)).toBe(5);
    const emails = await Promise.all(people.map(async ({ id }) => (await rowOf(service, id)).email));
    expect(emails).toEqual([people[0]?.email, "", "", "", "", ""]);
    await outboxEmpty(service.database);
    const erased = events.heard.filter(({ eventType }) => eventType === "user.erased");
    for (const { id } of people.slice(1))
      expect(erased.filter(({ userId }) => userId === id)).toHaveLength(1);
  });

  test("does nothing while another node erases", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 0);
    await service.database.sql("SELECT pg_advisory_lock(8300306)");
    expect((await operator.purge()).erased).toBe(0);
    await service.database.sql("SELECT pg_advisory_unlock_all()");
    await service.database.sql("SELECT pg_advisory_unlock_all()");
  });

  test("and a cancellation at the same moment leave the user whole or erased", async () => {
    for (let round = 0; round < 5; round++) {
      person = await createUser(service);
      await send("POST", "/erasure");
      await dueDaysAgo(service, person.id, 0);
      const [{ status }] = await Promise.all([send("DELETE", "/erasure"), operator.purge()]);
      const { email, deleted_at } = await rowOf(service, person.id);
      expect(status === 200 ? [email, deleted_at] : [email, status]).toEqual(
        status === 200 ? [person.email, null] : ["", 410],
      );
    }
  });
});

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

test("an inventory counts what is stored of a user in each place, and nothing after the erasure", async () => {
  await send("PATCH", "", { profile: { bio: "mine" } });
  await send("PUT", "/hold", { reason: "court case" });
  expect(await operator.inventory(person.id)).toMatchObject({
    erasure: null,
    hold: { reason: "court case" },
    fields: ["keycloakId", "email", "fullName", "bio"],
    historyEntries: 2,
    deadLetters: 0,
    storedAnswers: 0,
  });
  await send("DELETE", "/hold");
  await operator.eraseNow(person.id);
  expect(await operator.inventory(person.id)).toMatchObject({
    erasure: { status: "erased" },
    hold: null,
    fields: [],
    outboxRecords: 0,
    deadLetters: 0,
    storedAnswers: 0,
  });
});

test("an export shows the erasure", async () => {
  const { erasureId } = (await send("POST", "/erasure")).body;
  const { erasures } = (await send("GET", "/export")).body as unknown as { erasures: object[] };
  expect(erasures).toEqual([expect.objectContaining({ erasureId, status: "scheduled" })]);
});
