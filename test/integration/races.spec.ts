import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pLimit from "p-limit";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { createUser, newUser, rowOf } from "../helpers/people.ts";
import { requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

const send = async (method: string, rest: string, body?: object): Promise<number> =>
  (await requestAs(service.url, service.internal, { method, path: `/api/v1/users${rest}`, body })).status;

/** The number of answers by status. */
const tally = (statuses: number[]) =>
  Object.fromEntries(
    [...Map.groupBy(statuses, (status) => status)].map(([status, all]) => [status, all.length]),
  );

async function expectOne(where: string, value: string): Promise<void> {
  const rows = await service.database.sql<{ id: string }>(`SELECT id FROM users WHERE ${where}`, [value]);
  expect(rows).toHaveLength(1);
  await outboxEmpty(service.database);
  expect(events.received.filter(({ userId }) => userId === rows[0]?.id)).toHaveLength(1);
}

test("of 200 concurrent creates with one keycloakId one succeeds, with one row and one event", async () => {
  const { keycloakId } = newUser();
  const received = events.received.length;
  const creates = Array.from({ length: 200 }, () => send("POST", "", { ...newUser(), keycloakId }));
  expect(tally(await Promise.all(creates))).toEqual({ 201: 1, 409: 199 });
  await expectOne("keycloak_id = $1", keycloakId);
  expect(events.received).toHaveLength(received + 1);
});

test("of 200 concurrent creates with one e-mail in different letter case one succeeds, with one row and one event", async () => {
  const inCase = (n: number) =>
    [..."race@example.com"]
      .map((letter, at) => ((n >> (at % 8)) & 1 ? letter.toUpperCase() : letter))
      .join("");
  const creates = Array.from({ length: 200 }, (_, n) => send("POST", "", newUser({ email: inCase(n) })));
  expect(tally(await Promise.all(creates))).toEqual({ 201: 1, 409: 199 });
  await expectOne("email_key(email) = $1", "race@example.com");
});

test("50 concurrent PATCHes of different fields lose no change and no event", async () => {
  const user = await createUser(service);
  const path = `/${user.id}`;
  for (let round = 1; round <= 4; round++) {
    const text = `round ${round}`;
    const on = round % 2 === 0;
    const profile = { fullName: text, companyName: text, phone: text, bio: text };
    const notifications = {
      email: on,
      interviewReminder: on,
      analysisReady: on,
      quotaWarning: on,
      marketing: !on,
    };
    const one = (field: string, value: unknown) => ({ [field]: value });
    const language = ["de", "fr", "es", "it"][round - 1];
    const statuses = await Promise.all([
      ...Object.entries(profile).map(([field, value]) => send("PATCH", path, { profile: one(field, value) })),
      ...Object.entries(notifications).map(([field, value]) =>
        send("PATCH", `${path}/preferences`, { notifications: one(field, value) }),
      ),
      send("PATCH", `${path}/preferences`, { language }),
      send("PUT", `${path}/email`, { email: `race-${round}@example.com` }),
      send("PATCH", `${path}/quotas`, { maxInterviews: 100 + round }),
      send("PATCH", `${path}/quotas`, { maxStorage: 1000 + round }),
    ]);
    expect(tally(statuses)).toEqual({ 200: 13 });
    const row = await rowOf(service, user.id);
    expect(row).toMatchObject({
      full_name: text,
      company_name: text,
      phone: text,
      bio: text,
      email: `race-${round}@example.com`,
      max_interviews: 100 + round,
      max_storage: 1000 + round,
    });
    const { body } = await service.http.get(`/api/v1/users${path}/preferences`).set(user.headers);
    expect(body).toMatchObject({ language, notifications });
  }
  await outboxEmpty(service.database);
  const published = events.received.filter(
    ({ userId, eventType }) => userId === user.id && eventType !== "user.created",
  );
  // 4 of the profile, the e-mail, 5 switches and the language, new each round; quotas are no event
  expect(published).toHaveLength(4 * 11);
});

test("100 increments, 50 of them concurrent, are all counted", async () => {
  const user = await createUser(service);
  const path = `/${user.id}/stats/increment-interviews`;
  const at50 = pLimit(50);
  const sent = Array.from({ length: 100 }, () => at50(() => send("POST", path)));
  expect(tally(await Promise.all(sent))).toEqual({ 200: 100 });
  expect(await rowOf(service, user.id)).toMatchObject({ interviews_created: 100, interviews_active: 100 });
  await outboxEmpty(service.database);
  const marks = events.received.filter(
    ({ userId, eventType }) => userId === user.id && eventType.startsWith("user.quota"),
  );
  expect(marks.map(({ data }) => (data as { percent: number }).percent)).toEqual([90, 100]);
});

test("of concurrent updates and a delete, each is done completely or gets 404", async () => {
  const user = await createUser(service);
  const updates = Array.from({ length: 20 }, (_, n) =>
    send("PATCH", `/${user.id}`, { profile: { bio: `${n}` } }),
  );
  const [deleted, ...rest] = await Promise.all([send("DELETE", `/${user.id}`), ...updates]);
  expect(deleted).toBe(200);
  for (const status of rest) expect([200, 404]).toContain(status);
  await outboxEmpty(service.database);
  const published = events.received
    .filter(({ userId }) => userId === user.id)
    .map(({ eventType }) => eventType);
  expect(published.filter((type) => type === "user.updated")).toHaveLength(
    rest.filter((status) => status === 200).length,
  );
  expect(published.at(-1)).toBe("user.deleted");
});

test("of concurrent deletes one succeeds, and publishes one event", async () => {
  const user = await createUser(service);
  const statuses = await Promise.all(Array.from({ length: 20 }, () => send("DELETE", `/${user.id}`)));
  expect(tally(statuses)).toEqual({ 200: 1, 404: 19 });
  await outboxEmpty(service.database);
  const published = events.received.filter(
    ({ userId, eventType }) => userId === user.id && eventType === "user.deleted",
  );
  expect(published).toHaveLength(1);
});
