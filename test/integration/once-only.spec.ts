import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { call } from "../../lib/contract/call.ts";
import type { CountedEvent, Stats } from "../../services/stats/stats.contract.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { createUser, rowOf } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

const newId = () => `evt-${crypto.randomUUID()}`;
const emit = (eventType: string, envelope: unknown) => service.broker.emit(eventType, envelope as object);
const statsOf = async (id: string): Promise<Stats> =>
  (await service.http.get(`/api/v1/users/${id}/stats`).set(service.internal).expect(200)).body;

/** An event in today's envelope and in the older one. */
const today = (eventType: string, userId: string, data: object, eventId: unknown = newId()) => ({
  eventId,
  eventType,
  timestamp: new Date().toISOString(),
  userId,
  data,
  metadata: { service: "another", version: "1.0.0", correlationId: "their-trace" },
});
const older = (eventType: string, userId: string, data: object, eventId: unknown = newId()) => ({
  eventId,
  eventType,
  timestamp: Date.now(),
  version: "1.0",
  source: "another",
  payload: { userId, ...data },
});

/** The forms of native events that the exported types allow: bare data with the ids, or an incomplete envelope. */
const bare = (_eventType: string, userId: string, data: object) => ({ eventId: newId(), userId, ...data });
const inPart = (_eventType: string, userId: string, data: object) => ({ eventId: newId(), userId, data });

describe.each([
  ["today's envelope", today],
  ["the older envelope", older],
  ["an envelope with the ids and the data only", inPart],
  ["the form of bare data", bare],
])("in %s", (_form, envelope) => {
  test("an event that is emitted 5 times concurrently and again later is counted once", async () => {
    const { id } = await createUser(service);
    const all: [string, { eventId: unknown }][] = [
      ["interview.created", envelope("interview.created", id, { interviewId: "i-1" })],
      ["interview.created", envelope("interview.created", id, { interviewId: "i-2" })],
      [
        "interview.completed",
        envelope("interview.completed", id, { interviewId: "i-1", completedCandidates: 4 }),
      ],
      ["media.uploaded", envelope("media.uploaded", id, { fileId: "f-1", fileSize: 3000 })],
      ["media.uploaded", envelope("media.uploaded", id, { fileId: "f-2", fileSize: 72 })],
      ["media.deleted", envelope("media.deleted", id, { fileId: "f-1", fileSize: 2000 })],
    ];
    const everything = () => all.map(([eventType, event]) => emit(eventType, event));
    await Promise.all([...everything(), ...everything(), ...everything(), ...everything(), ...everything()]);
    await Promise.all(everything().toReversed());
    const { interviewsCreated, interviewsActive, candidatesTotal, storageUsed } = await statsOf(id);
    expect([interviewsCreated, interviewsActive, candidatesTotal, storageUsed]).toEqual([2, 1, 4, 1072]);
    const where = "SELECT 1 FROM processed_events WHERE service_name = 'user-service' AND event_id LIKE $1";
    for (const [, { eventId }] of all)
      expect(await service.database.sql(where, [`%:${eventId}`])).toHaveLength(1);
  });
});

test("counters are the same for any order of events; a negative counter is shown as 0", async () => {
  const { id } = await createUser(service);
  await emit(
    "interview.completed",
    today("interview.completed", id, { interviewId: 1, completedCandidates: 2 }),
  );
  await emit("media.deleted", today("media.deleted", id, { fileId: 1, fileSize: 500 }));
  expect(await rowOf(service, id)).toMatchObject({ interviews_active: -1, storage_used: -500 });
  expect(await statsOf(id)).toMatchObject({ interviewsActive: 0, candidatesTotal: 2, storageUsed: 0 });
  const { body } = await service.http.get(`/api/v1/users/${id}`).set(service.internal).expect(200);
  expect(body.stats).toEqual({ interviewsCreated: 0, storageUsed: 0 });
  await emit("interview.created", today("interview.created", id, { interviewId: 1 }));
  await emit("media.uploaded", today("media.uploaded", id, { fileId: 1, fileSize: 700 }));
  expect(await statsOf(id)).toMatchObject({ interviewsCreated: 1, interviewsActive: 0, storageUsed: 200 });
});

test("event ids are unique per topic only, and an event without an id is identified by type and subject", async () => {
  const { id } = await createUser(service);
  const shared = newId();
  await emit("interview.created", today("interview.created", id, { interviewId: "x" }, shared));
  await emit("media.uploaded", today("media.uploaded", id, { fileId: "x", fileSize: 1 }, shared));
  for (let times = 0; times < 3; times++) {
    await emit("interview.created", today("interview.created", id, { interviewId: `no-${id}` }, null));
    const completed = { interviewId: `no-${id}`, completedCandidates: 1 };
    await emit("interview.completed", today("interview.completed", id, completed, null));
  }
  expect(await statsOf(id)).toMatchObject({
    interviewsCreated: 2,
    interviewsActive: 1,
    candidatesTotal: 1,
    storageUsed: 1,
  });
  const longId = `${"long ".repeat(100)}${id}`;
  for (let times = 0; times < 2; times++)
    await emit("interview.created", today("interview.created", id, { interviewId: "x" }, longId));
  expect(await statsOf(id)).toMatchObject({ interviewsCreated: 3 });
});

const insertUser = (id: string) =>
  service.database.sql(
    "INSERT INTO users (id, keycloak_id, email, full_name) VALUES ($1::uuid, $1::text, $1::text || '@x.org', 'Late')",
    [id],
  );
type DeadLetter = {
  code: string;
  topic: string;
  event: Buffer;
  retry_count: number;
  retry_at: Date | null;
  failed_at: Date;
};
const deadLettersOf = (part: string): Promise<DeadLetter[]> =>
  service.database.sql("SELECT * FROM dead_letters WHERE convert_from(event, 'UTF8') LIKE $1", [`%${part}%`]);

test("an event for an unknown user is retried, and counted once when the user exists", async () => {
  const id = crypto.randomUUID();
  const event = today("interview.created", id, { interviewId: "i" });
  await Promise.all(Array.from({ length: 5 }, () => emit("interview.created", event)));
  expect(await deadLettersOf(id)).toMatchObject([{ code: "USER_NOT_FOUND", topic: "interview-events" }]);
  await insertUser(id);
  await waitFor(async () => (await statsOf(id)).interviewsCreated === 1);
  await waitFor(async () => (await deadLettersOf(id)).length === 0);
  await emit("interview.created", event);
  expect(await statsOf(id)).toMatchObject({ interviewsCreated: 1 });
});

test("an event is given up after the fifth retry (0.5, 1, 2, 4, 8 s), and blocks no other event meanwhile", async () => {
  const [id, { id: known }] = [crypto.randomUUID(), await createUser(service)];
  const event = today("media.uploaded", id, { fileId: "f", fileSize: 5 });
  await emit("media.uploaded", event);
  const { retryWaiting } = await import("../../services/ingest/retry.ts");
  const { broker } = service;

  /** The dead letter after this many retries. */
  const after = (retries: number) =>
    waitFor(async () => (await deadLettersOf(id)).find(({ retry_count }) => retry_count === retries));
  for (const [retries, pause] of [500, 1_000, 2_000, 4_000, 8_000].entries()) {
    const { failed_at, retry_at } = await after(retries);
    const planned = Number(retry_at) - Number(failed_at);
    expect([pause, planned > pause - 200, planned < pause + 1_200]).toEqual([pause, true, true]);
    const now = "UPDATE dead_letters SET retry_at = now() WHERE key LIKE $1 AND retry_count = $2";
    await service.database.sql(now, [`%${event.eventId}`, retries]);
    await retryWaiting({ broker, logger: broker.logger }); // earlier than the service would
  }
  await emit("media.uploaded", today("media.uploaded", known, { fileId: "g", fileSize: 5 }));
  expect(await statsOf(known)).toMatchObject({ storageUsed: 5 });
  const letter = await after(5);
  expect(letter).toMatchObject({ code: "USER_NOT_FOUND", topic: "media-events", retry_at: null });
  expect(JSON.parse(String(letter?.event))).toEqual(event);

  await insertUser(id); // a replay of the given-up event is counted
  await emit("media.uploaded", event);
  expect(await statsOf(id)).toMatchObject({ storageUsed: 5 });
}, 30_000);

test("an invalid event is one dead letter with its code, and has no effect", async () => {
  const { id } = await createUser(service);
  const before = await rowOf(service, id);
  const mark = newId();
  const poison: [string, unknown][] = [
    ["media.uploaded", today("media.uploaded", id, { fileId: mark, fileSize: -1 }, `${mark}-1`)],
    ["media.uploaded", today("media.uploaded", id, { fileId: mark, fileSize: "5" }, `${mark}-2`)],
    ["media.deleted", older("media.deleted", "no-uuid", { fileId: mark, fileSize: 1 }, `${mark}-3`)],
    ["interview.completed", today("interview.completed", id, { interviewId: mark }, `${mark}-4`)],
    ["interview.created", { ...today("interview.created", id, {}, `${mark}-5`), eventType: 5 }],
    [
      "interview.created",
      { ...today("interview.created", id, { interviewId: {}, mark }), eventId: undefined },
    ],
  ];
  for (let times = 0; times < 3; times++) for (const [type, event] of poison) await emit(type, event);
  const letters = await deadLettersOf(mark);
  expect(letters).toHaveLength(poison.length);
  for (const { code, retry_at } of letters) expect([code, retry_at]).toEqual(["VALIDATION_ERROR", null]);
  expect(await rowOf(service, id)).toEqual(before);
});

test("an event for a deleted user is skipped and counted, without a dead letter", async () => {
  const { id, headers } = await createUser(service);
  await service.http.delete(`/api/v1/users/${id}`).set(headers).expect(200);
  const skipped = async () => {
    const { text } = await service.http.get("/metrics");
    const line = /^user_service_events_consumed_total\{.*interview-events.*deleted.*\} (\d+)/m.exec(text);
    return Number(line?.[1] ?? 0);
  };
  const before = await skipped();
  await emit("interview.created", today("interview.created", id, { interviewId: "i" }));
  expect(await skipped()).toBe(before + 1);
  expect(await deadLettersOf(id)).toEqual([]);
  expect(await rowOf(service, id)).toMatchObject({ interviews_created: 0 });
});

test("a quota event is published once per mark, with the consumed event as its cause", async () => {
  const { id } = await createUser(service);
  await service.http
    .patch(`/api/v1/users/${id}/quotas`)
    .set(service.internal)
    .send({ maxStorage: 1000 })
    .expect(200);
  const sizes = [840, 20, 10, 60, 100];
  const sent = sizes.map((fileSize, n) => today("media.uploaded", id, { fileId: `f-${id}-${n}`, fileSize }));
  for (const event of sent) for (let times = 0; times < 3; times++) await emit("media.uploaded", event);
  await emit("media.deleted", today("media.deleted", id, { fileId: "f", fileSize: 500 }));
  const again = older("media.uploaded", id, { fileId: "f", fileSize: 450 });
  await emit("media.uploaded", again);
  await outboxEmpty(service.database);
  const published = (await events.of(id, 5)).slice(1);
  expect(published.map(({ eventType, data, metadata }) => [eventType, data, metadata.causationId])).toEqual([
    ["user.quota_warning", { resource: "storage", used: 860, limit: 1000, percent: 86 }, sent[1]?.eventId],
    ["user.quota_warning", { resource: "storage", used: 930, limit: 1000, percent: 93 }, sent[3]?.eventId],
    ["user.quota_exceeded", { resource: "storage", used: 1030, limit: 1000, percent: 103 }, sent[4]?.eventId],
    ["user.quota_warning", { resource: "storage", used: 980, limit: 1000, percent: 98 }, again.eventId],
  ]);
  expect(published[0]?.metadata.correlationId).toBe("their-trace");
});

test("POST increment-interviews has the same effect as one interview.created", async () => {
  const [one, other] = [await createUser(service), await createUser(service)];
  const path = `/api/v1/users/${one.id}/stats/increment-interviews`;
  for (let n = 0; n < 10; n++) {
    await service.http.post(path).set(service.internal).expect(200);
    await emit("interview.created", today("interview.created", other.id, { interviewId: n }));
  }
  expect(await statsOf(one.id)).toEqual(await statsOf(other.id));
  await outboxEmpty(service.database);
  const marks = async (id: string) =>
    (await events.of(id, 3)).slice(1).map(({ eventType, data }) => [eventType, data]);
  expect(await marks(one.id)).toEqual(await marks(other.id));
  const updatedAt = (await rowOf(service, one.id)).updated_at;
  expect(updatedAt).toEqual(new Date(one.updatedAt)); // counters do not change it
});

describe("a batch of stats.apply", () => {
  const counted = (userId: string, key: string, more: Partial<CountedEvent> = {}): CountedEvent => ({
    key: `media-events:${key}`,
    topic: "media-events",
    userId,
    eventType: "media.uploaded",
    add: { storageUsed: 1 },
    ...more,
  });

  test("of 1,000 events with duplicates counts each once and returns the outcome of each", async () => {
    const people = await Promise.all(Array.from({ length: 20 }, () => createUser(service)));
    const distinct = Array.from({ length: 600 }, (_, n) => counted(people[n % 20]?.id ?? "", newId()));
    const batch = [
      ...distinct,
      ...structuredClone(distinct.slice(0, 399)),
      counted(crypto.randomUUID(), newId()),
    ];
    const ways = [batch, batch.toReversed(), batch.toSorted((a, b) => (a.key < b.key ? -1 : 1))];
    const outcomes = await Promise.all(ways.map((events) => call(service.broker, "stats.apply", { events })));
    const tally = Map.groupBy(outcomes.flat(), (outcome) => outcome);
    const count = (outcome: "applied" | "duplicate" | "unknown-user") => tally.get(outcome)?.length;
    expect([count("applied"), count("duplicate"), count("unknown-user")]).toEqual([600, 2397, 3]);
    expect(ways.map((way, n) => outcomes[n]?.length === way.length)).toEqual([true, true, true]);
    for (const { id } of people) expect(await statsOf(id)).toMatchObject({ storageUsed: 30 });
  });

  test("is exact for any sizes", async () => {
    const { id } = await createUser(service);
    const max = Number.MAX_SAFE_INTEGER;
    const steps: CountedEvent[] = [
      counted(id, newId(), { add: { storageUsed: max } }),
      counted(id, newId(), { add: { storageUsed: 2 } }),
    ];
    const back = counted(id, newId(), { add: { storageUsed: -max }, eventType: "media.deleted" });
    await call(service.broker, "stats.apply", { events: [...steps, back] });
    expect(await rowOf(service, id)).toMatchObject({ storage_used: 2 });
  });

  test("counts the events of all others while somebody has locked a user's row, and then that user's", async () => {
    const [locked, free] = [await createUser(service), await createUser(service)];
    const holder = await service.database.begin();
    await holder.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [locked.id]);
    const ids = [locked.id, free.id, crypto.randomUUID(), locked.id];
    const events = ids.map((id) => counted(id, newId()));
    const outcomes = call(service.broker, "stats.apply", { events });
    await waitFor(async () => (await rowOf(service, free.id)).storage_used === 1);
    await waitFor(() => service.database.someoneWaits());
    await holder.end();
    expect(await outcomes).toEqual(["applied", "applied", "unknown-user", "applied"]);
    expect(await rowOf(service, locked.id)).toMatchObject({ storage_used: 2 });
  });
});
