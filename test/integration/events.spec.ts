import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Context, ServiceSchema } from "moleculer";
import sharp from "sharp";
import type { Envelope } from "../../services/contracts.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { createUser, newUser, rowOf } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

const events = collectEvents();
let awayOn: string | undefined;
let throwing = 0;

/** A faulty listener: it throws for some events, and makes the outbox unavailable during others. */
const badListener: ServiceSchema = {
  name: "bad-listener",
  events: {
    async "user.updated"({ params }: Context<Envelope<"user.updated">>) {
      if (params.data.changes.bio === "throw") {
        throwing++;
        throw new Error("This listener fails");
      }
      if (awayOn !== params.userId) return;
      awayOn = undefined;
      await service.database.sql("ALTER TABLE outbox RENAME TO away");
      setTimeout(() => service.database.sql("ALTER TABLE away RENAME TO outbox"), 300);
    },
  },
};

let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema, badListener] });
});
afterAll(() => service.stop());

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const whole = (userId: string, eventType: string, data: unknown, correlationId: unknown) => ({
  eventId: expect.stringMatching(UUID),
  eventType,
  timestamp: expect.stringMatching(ISO),
  userId,
  data,
  metadata: { service: "user-service", version: "1.0.0", correlationId },
});

const newTrace = () => crypto.randomUUID().replaceAll("-", "");
const traceparent = (trace: string) => ({ traceparent: `00-${trace}-b7ad6b7169203331-01` });
const TYPES = ["created", "updated", "updated", "avatar_uploaded", "avatar_deleted", "preferences_updated"];

test("events are published in order, with the envelope of contract 7 and the caller's trace id", async () => {
  const body = newUser();
  const headers = await service.user(body.keycloakId);
  const traces = Array.from({ length: 10 }, newTrace);
  const step = (n: number, by: object = headers) => ({ ...by, ...traceparent(traces[n] ?? "") });

  const created = await service.http.post("/api/v1/users").set(step(0)).send(body).expect(201);
  const { id, createdAt } = created.body;
  const path = `/api/v1/users/${id}`;
  const profile = { bio: "Hi", companyName: "Engines" };
  await service.http.patch(path).set(step(1)).send({ profile }).expect(200);
  await service.http
    .put(`${path}/email`)
    .set(step(2, service.internal))
    .send({ email: "n@x.org" })
    .expect(200);
  const file = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const upload = await service.http
    .post(`${path}/avatar`)
    .set(step(3))
    .attach("file", file, "a.png")
    .expect(200);
  const { avatar_size: fileSize } = await rowOf(service, id);
  await service.http.delete(`${path}/avatar`).set(step(4)).expect(200);
  const changes = { language: "de-AT", notifications: { marketing: true } };
  await service.http.patch(`${path}/preferences`).set(step(5)).send(changes).expect(200);
  const limits = { maxInterviews: 8, maxStorage: 0 };
  await service.http.patch(`${path}/quotas`).set(step(6, service.internal)).send(limits).expect(200);
  await service.database.sql("UPDATE users SET interviews_created = 6 WHERE id = $1", [id]);
  const increment = () => service.http.post(`${path}/stats/increment-interviews`);
  await increment().set(step(7, service.internal)).expect(200);
  await increment().set(step(8, service.internal)).expect(200);
  await service.http.delete(path).set(step(9)).expect(200);

  const received = await events.of(id, 10);
  const { keycloakId, email } = body;
  const { fullName } = body.profile;
  const { avatarUrl } = upload.body;
  const mark = (resource: string, used: number, limit: number, percent: number) => ({
    resource,
    used,
    limit,
    percent,
  });
  expect(received).toEqual([
    whole(id, "user.created", { keycloakId, email, fullName, createdAt }, traces[0]),
    whole(id, "user.updated", { changes: profile }, traces[1]),
    whole(id, "user.updated", { changes: { email: "n@x.org" } }, traces[2]),
    whole(id, "user.avatar_uploaded", { avatarUrl, fileSize: Number(fileSize) }, traces[3]),
    whole(id, "user.avatar_deleted", { fileSize: Number(fileSize) }, traces[4]),
    whole(id, "user.preferences_updated", { changes }, traces[5]),
    whole(id, "user.quota_exceeded", mark("storage", 0, 0, 100), traces[6]),
    whole(id, "user.quota_warning", mark("interviews", 7, 8, 87), traces[7]),
    whole(id, "user.quota_exceeded", mark("interviews", 8, 8, 100), traces[8]),
    whole(id, "user.deleted", { deletedAt: expect.stringMatching(ISO), reason: "user_request" }, traces[9]),
  ]);
  expect(new Set(received.map(({ eventId }) => eventId)).size).toBe(received.length);
  expect(TYPES.map((type) => `user.${type}`)).toEqual(received.slice(0, 6).map(({ eventType }) => eventType));
});

test("without a traceparent the correlation id is a new trace id for each request", async () => {
  const [one, other] = [await createUser(service), await createUser(service)];
  const ids = [...(await events.of(one.id, 1)), ...(await events.of(other.id, 1))].map(
    ({ metadata }) => metadata.correlationId,
  );
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(ids[0]).not.toBe(ids[1]);
});

test("a request that changes nothing or is refused publishes no event", async () => {
  const user = await createUser(service);
  const taken = await createUser(service);
  const path = `/api/v1/users/${user.id}`;
  await service.http.patch(path).set(user.headers).send({}).expect(200);
  await service.http
    .patch(path)
    .set(user.headers)
    .send({ profile: { fullName: user.profile.fullName } })
    .expect(200);
  await service.http.patch(`${path}/preferences`).set(user.headers).send({ language: "en" }).expect(200);
  await service.http.put(`${path}/email`).set(service.internal).send({ email: taken.email }).expect(409);
  await service.http.delete(`${path}/avatar`).set(user.headers).expect(404);
  await service.http
    .post("/api/v1/users")
    .set(service.internal)
    .send(newUser({ email: taken.email }))
    .expect(409);
  await outboxEmpty(service.database);
  expect((await events.of(user.id, 1)).map(({ eventType }) => eventType)).toEqual(["user.created"]);
  expect(
    events.received.filter(({ data }) => (data as { email?: string }).email === taken.email),
  ).toHaveLength(1);
});

test("each user's events are published in order while many users change at once", async () => {
  const people = await Promise.all(Array.from({ length: 8 }, () => createUser(service)));
  const bios = Array.from({ length: 15 }, (_, n) => `bio ${n}`);
  await Promise.all(
    people.map(async ({ id, headers }) => {
      for (const bio of bios)
        await service.http.patch(`/api/v1/users/${id}`).set(headers).send({ profile: { bio } }).expect(200);
    }),
  );
  for (const { id } of people) {
    const received = (await events.of(id, 16)) as Envelope<"user.updated">[];
    expect(received.slice(1).map(({ data }) => data.changes.bio)).toEqual(bios);
  }
});

test("a listener that throws neither loses nor delays events, and published records leave the outbox", async () => {
  const [user, other] = [await createUser(service), await createUser(service)];
  const write = (id: string, bio: string) =>
    service.http.patch(`/api/v1/users/${id}`).set(service.internal).send({ profile: { bio } }).expect(200);
  for (const bio of ["before", "throw", "after"]) await write(user.id, bio);
  await write(other.id, "throw");
  await write(other.id, "after");
  const bios = async (id: string, count: number) =>
    ((await events.of(id, count)) as Envelope<"user.updated">[]).slice(1).map(({ data }) => data.changes.bio);
  expect(await bios(user.id, 4)).toEqual(["before", "throw", "after"]);
  expect(await bios(other.id, 3)).toEqual(["throw", "after"]);
  expect(throwing).toBeGreaterThanOrEqual(2);
  await outboxEmpty(service.database);
});

test("an event that is published again because it could not be deleted has the same eventId", async () => {
  const user = await createUser(service);
  await events.of(user.id, 1);
  await outboxEmpty(service.database);
  awayOn = user.id;
  const patch = { profile: { bio: "again" } };
  await service.http.patch(`/api/v1/users/${user.id}`).set(user.headers).send(patch).expect(200);
  const [, first, again] = await events.of(user.id, 3);
  expect(again).toEqual(first);
  await outboxEmpty(service.database);
});

test("a change and its event commit together: if the event cannot be stored, nothing is changed", async () => {
  const user = await createUser(service);
  await outboxEmpty(service.database);
  const { sql } = service.database;
  const refuse = "NOT (value->>'userId' = ? OR coalesce(value->'data'->>'fullName', '') = 'Nobody')";
  await sql(`ALTER TABLE outbox ADD CONSTRAINT refuse CHECK (${refuse.replace("?", `'${user.id}'`)})`);
  try {
    const path = `/api/v1/users/${user.id}`;
    const before = await rowOf(service, user.id);
    await service.http
      .patch(path)
      .set(user.headers)
      .send({ profile: { bio: "x" } })
      .expect(500);
    await service.http.put(`${path}/email`).set(service.internal).send({ email: "gone@x.org" }).expect(500);
    await service.http.patch(`${path}/preferences`).set(user.headers).send({ language: "fr" }).expect(500);
    await service.http.patch(`${path}/quotas`).set(service.internal).send({ maxInterviews: 0 }).expect(500);
    await service.http.delete(path).set(user.headers).expect(500);
    expect(await rowOf(service, user.id)).toEqual(before);
    const nobody = newUser({ profile: { fullName: "Nobody" } });
    await service.http.post("/api/v1/users").set(service.internal).send(nobody).expect(500);
    expect(await sql("SELECT 1 FROM users WHERE full_name = 'Nobody'")).toEqual([]);
  } finally {
    await sql("ALTER TABLE outbox DROP CONSTRAINT refuse");
  }
  expect(await events.of(user.id, 1)).toHaveLength(1);
});
