import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { createListener } from "../helpers/listener.ts";
import { createUser, rowOf } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Preferences, quotas and statistics of a user, and the deletion. */
const listener = createListener();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [listener.schema] });
});
afterAll(() => service.stop());

const urlOf = (id: string, rest = "") => `/api/v1/users/${id}${rest}`;
const get = (url: string) => service.http.get(url).set(service.internal);
const patch = (url: string, body: object) => service.http.patch(url).set(service.internal).send(body);
const events = (id: string) => listener.eventsOf(service, id);

const DEFAULTS = {
  language: "en",
  timezone: "UTC",
  notifications: {
    email: true,
    interviewInvitation: true,
    interviewReminder: true,
    analysisReady: true,
    quotaWarning: true,
    marketing: false,
  },
};

describe("preferences", () => {
  test("are the defaults until they are changed; a patch merges deeply, and its event has only real changes", async () => {
    const { id } = await createUser(service);
    const url = urlOf(id, "/preferences");
    expect((await get(url).expect(200)).body).toStrictEqual(DEFAULTS);
    await events(id);
    const wish = { language: "EN-us", notifications: { email: true, marketing: true } };
    const expected = {
      ...DEFAULTS,
      language: "en-US",
      notifications: { ...DEFAULTS.notifications, marketing: true },
    };
    expect((await patch(url, wish).expect(200)).body).toStrictEqual(expected);
    expect((await get(url)).body).toStrictEqual(expected);
    expect(await events(id)).toEqual([
      ["user.preferences_updated", { changes: { language: "en-US", notifications: { marketing: true } } }],
    ]);
  });

  test("a change that changes nothing is 200 without an event", async () => {
    const { id, updatedAt } = await createUser(service);
    await events(id);
    for (const wish of [{}, { language: "EN" }, { notifications: {} }, DEFAULTS])
      expect((await patch(urlOf(id, "/preferences"), wish).expect(200)).body).toStrictEqual(DEFAULTS);
    expect(await events(id)).toEqual([]);
    expect((await get(urlOf(id))).body.updatedAt).toBe(updatedAt);
  });

  test.each<[object, string]>([
    [{ language: null }, "language"],
    [{ language: "" }, "language"],
    [{ language: "not a language" }, "language"],
    [{ language: "e" }, "language"],
    [{ timezone: null }, "timezone"],
    [{ timezone: "Mars/Olympus" }, "timezone"],
    [{ timezone: "+01:00" }, "timezone"],
    [{ notifications: null }, "notifications"],
    [{ notifications: { email: null } }, "notifications.email"],
    [{ notifications: { email: "true" } }, "notifications.email"],
    [{ notifications: { sms: true } }, "notifications.sms"],
    [{ theme: "dark" }, "theme"],
  ])("%j is 400 and names %s", async (wish, field) => {
    const { id } = await createUser(service);
    const before = await rowOf(service, id);
    const { body } = await patch(urlOf(id, "/preferences"), wish).expect(400);
    expect([body.message, fieldsOf(body)]).toEqual(["Validation failed", [field]]);
    expect(await rowOf(service, id)).toEqual(before);
  });
});

describe("quotas", () => {
  test("are returned with use, remaining amount and whether the limit is exceeded", async () => {
    const { id } = await createUser(service);
    const counters = "interviews_created = 3, storage_used = 3000";
    await service.database.sql(`UPDATE users SET ${counters} WHERE id = $1`, [id]);
    const set = await patch(urlOf(id, "/quotas"), { maxInterviews: 3, maxStorage: 2 ** 53 - 1 }).expect(200);
    const storage = {
      used: 3000,
      limit: 2 ** 53 - 1,
      reserved: 0,
      remaining: 2 ** 53 - 1 - 3000,
      exceeded: false,
    };
    const expected = {
      interviews: { used: 3, limit: 3, reserved: 0, remaining: 0, exceeded: true },
      storage,
    };
    expect(set.body).toStrictEqual(expected);
    expect((await get(urlOf(id, "/quotas")).expect(200)).body).toStrictEqual(expected);
    expect((await get(urlOf(id))).body.quotas).toEqual({ maxInterviews: 3, maxStorage: 2 ** 53 - 1 });
  });

  test("an omitted limit is kept, and a body without limits is 200 without a change", async () => {
    const { id, updatedAt } = await createUser(service);
    for (const wish of [{}, { maxInterviews: 10 }]) await patch(urlOf(id, "/quotas"), wish).expect(200);
    expect((await get(urlOf(id))).body.updatedAt).toBe(updatedAt);
    const { body } = await patch(urlOf(id, "/quotas"), { maxInterviews: 0 }).expect(200);
    expect(body.interviews).toEqual({ used: 0, limit: 0, reserved: 0, remaining: 0, exceeded: true });
    expect(body.storage.limit).toBe(5368709120);
  });

  test.each<[string, unknown]>(
    ["maxInterviews", "maxStorage"].flatMap((field) =>
      [-1, 1.5, "5", "", true, field === "maxStorage" ? 2 ** 53 : 2 ** 31].map((value): [string, unknown] => [
        field,
        value,
      ]),
    ),
  )("%s of %j is 400", async (field, value) => {
    const { id } = await createUser(service);
    const { body } = await patch(urlOf(id, "/quotas"), { [field]: value }).expect(400);
    expect(fieldsOf(body)).toEqual([field]);
  });
});

test("a limit of null means unlimited: remaining is null, and nothing is exceeded", async () => {
  const { id } = await createUser(service);
  const { body } = await patch(urlOf(id, "/quotas"), { maxInterviews: null, maxStorage: null }).expect(200);
  const unlimited = { used: 0, limit: null, reserved: 0, remaining: null, exceeded: false };
  expect(body).toStrictEqual({ interviews: unlimited, storage: unlimited });
  expect((await get(urlOf(id))).body.quotas).toEqual({ maxInterviews: null, maxStorage: null });
  const again = await patch(urlOf(id, "/quotas"), { maxInterviews: 5 }).expect(200);
  expect(again.body.interviews).toEqual({ used: 0, limit: 5, reserved: 0, remaining: 5, exceeded: false });
});

describe("stats", () => {
  test("increment-interviews counts an interview, like one interview.created", async () => {
    const { id, updatedAt } = await createUser(service);
    const url = urlOf(id, "/stats/increment-interviews");
    await Promise.all(
      Array.from({ length: 5 }, () => service.http.post(url).set(service.internal).expect(200)),
    );
    const { body } = await service.http.post(url).set(service.internal).expect(200);
    expect(body).toStrictEqual({
      interviewsCreated: 6,
      interviewsActive: 6,
      candidatesTotal: 0,
      storageUsed: 0,
      storageUsedFormatted: "0 B",
    });
    expect((await get(urlOf(id, "/stats")).expect(200)).body).toStrictEqual(body);
    expect((await get(urlOf(id))).body).toMatchObject({ stats: { interviewsCreated: 6 }, updatedAt });
  });

  test.each([
    [-5, 0, "0 B"],
    [1023, 1023, "1023 B"],
    [1024, 1024, "1 KB"],
    [1610612736, 1610612736, "1.5 GB"],
    [2 ** 20 - 1, 2 ** 20 - 1, "1 MB"],
    [2 ** 53 - 1, 2 ** 53 - 1, "8 PB"],
  ])("%d bytes in the table are shown as %d, %j", async (stored, storageUsed, storageUsedFormatted) => {
    const { id } = await createUser(service);
    await service.database.sql("UPDATE users SET storage_used = $2 WHERE id = $1", [id, stored]);
    expect((await get(urlOf(id, "/stats"))).body).toMatchObject({ storageUsed, storageUsedFormatted });
  });

  test("an interview above the maximum of the column is not answered with a 5xx", async () => {
    const { id } = await createUser(service);
    await service.database.sql("UPDATE users SET interviews_created = 2147483647 WHERE id = $1", [id]);
    const url = urlOf(id, "/stats/increment-interviews");
    const { status } = await service.http.post(url).set(service.internal);
    expect(status).toBeLessThan(500);
  });
});

test.each<[string, (id: string) => PromiseLike<unknown>, boolean]>([
  ["the profile", (id) => patch(urlOf(id), { profile: { bio: "new" } }).expect(200), true],
  [
    "the e-mail",
    (id) =>
      service.http.put(urlOf(id, "/email")).set(service.internal).send({ email: "m@x.org" }).expect(200),
    true,
  ],
  ["preferences", (id) => patch(urlOf(id, "/preferences"), { language: "de" }).expect(200), true],
  ["quotas", (id) => patch(urlOf(id, "/quotas"), { maxInterviews: 3 }).expect(200), true],
  [
    "a counter",
    (id) => service.http.post(urlOf(id, "/stats/increment-interviews")).set(service.internal).expect(200),
    false,
  ],
])("updatedAt with %s: moves", async (_, change, moves) => {
  const { id, updatedAt, createdAt } = await createUser(service);
  await sleep(3);
  await change(id);
  const { body } = await get(urlOf(id)).expect(200);
  expect([body.updatedAt > updatedAt, body.createdAt]).toEqual([moves, createdAt]);
});

describe("DELETE /api/v1/users/:id", () => {
  test.each<[string, string]>([
    ["user_request", "the owner"],
    ["admin_request", "an admin"],
    ["internal_request", "a service"],
  ])("publishes user.deleted with the reason %s for %s", async (reason) => {
    const person = await createUser(service);
    await events(person.id);
    const callers: Record<string, Record<string, string>> = {
      user_request: person.headers,
      admin_request: await service.admin(),
      internal_request: service.internal,
    };
    const answer = await service.http
      .delete(urlOf(person.id))
      .set(callers[reason] ?? {})
      .expect(200);
    expect(answer.body).toStrictEqual({ message: "User deleted successfully" });
    const { deleted_at } = await rowOf(service, person.id);
    const deletedAt = (deleted_at as Date).toISOString();
    expect(await events(person.id)).toEqual([["user.deleted", { deletedAt, reason }]]);
  });

  test("keeps the row, and every route answers 404 afterwards", async () => {
    const person = await createUser(service);
    const { id, keycloakId, email } = person;
    const del = () => service.http.delete(urlOf(id)).set(person.headers);
    await del().expect(200);
    await del().expect(404);
    for (const url of [
      urlOf(id),
      urlOf(id, "/stats"),
      urlOf(id, "/quotas"),
      urlOf(id, "/preferences"),
      urlOf(id, "/avatar"),
    ])
      expect((await get(url)).body).toEqual(errorBody(404, `User with ID ${id} not found`, url));
    const gone = await patch(urlOf(id), { profile: { bio: "x" } }).expect(404);
    expect(gone.body.message).toBe(`User with ID ${id} not found`);
    const byKey = await get(urlOf(`by-keycloak/${keycloakId}`)).expect(404);
    expect(byKey.body.message).toBe(`User with Keycloak ID ${keycloakId} not found`);
    const byEmail = await get(urlOf(`by-email/${email}`)).expect(404);
    expect(byEmail.body.message).toBe(`User with email ${email} not found`);
    const list = await get(`/api/v1/users?keycloakId=${keycloakId}`).expect(200);
    expect(list.body).toEqual({ items: [], nextCursor: null });
    expect((await rowOf(service, id)).full_name).toBe(person.profile.fullName);
  });

  test("lets the same person sign up again, as a new user", async () => {
    const { id, keycloakId, email, headers } = await createUser(service);
    await service.http.delete(urlOf(id)).set(headers).expect(200);
    const again = await createUser(service, { keycloakId, email: email.toUpperCase() });
    expect(again.id).not.toBe(id);
    expect((await get(urlOf(`by-keycloak/${keycloakId}`))).body.id).toBe(again.id);
  });
});
