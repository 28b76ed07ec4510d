import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Message } from "../../services/ingest/dead-letter.ts";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { createUser, rowOf } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Events that cannot be processed become dead letters and do not block others, on arrival and while they wait for their user. */

let service: TestService;
let ingest: (messages: Message[]) => Promise<void>;
let retry: () => Promise<void>;
beforeAll(async () => {
  service = await startService();
  const module = await import("../../services/ingest/ingest.ts");
  const { retryWaiting } = await import("../../services/ingest/retry.ts");
  const runner = { broker: service.broker, logger: service.broker.logger };
  ingest = (messages) => module.ingest(runner, messages);
  retry = () => retryWaiting(runner);
  // causes an exception while an event is counted
  const refused = "CHECK (event_id NOT LIKE '%refused%')";
  await service.database.sql(`ALTER TABLE processed_events ADD CONSTRAINT refused ${refused}`);
  const unstorable = "CHECK (position('unstorable'::bytea IN event) = 0)";
  await service.database.sql(`ALTER TABLE dead_letters ADD CONSTRAINT unstorable ${unstorable}`);
});
afterAll(() => service.stop());
afterEach(() => service.database.sql("DELETE FROM dead_letters"));

let offset = 0;
const message = (value: string | Buffer): Message => ({
  topic: "media-events",
  partition: 0,
  offset: String(offset++),
  value: Buffer.from(value),
});
const upload = (userId: string, id: string, more: object = {}): Message =>
  message(
    JSON.stringify({
      eventId: id,
      eventType: "media.uploaded",
      userId,
      data: { fileId: id, fileSize: 1 },
      ...more,
    }),
  );
const deep = (userId: string, id: string, levels: number): Message =>
  message(
    `{"eventId":"${id}","eventType":"media.uploaded","userId":"${userId}","data":{"fileId":"f","fileSize":1},"context":${"[".repeat(levels)}${"]".repeat(levels)}}`,
  );
const storageOf = async (id: string) => Number((await rowOf(service, id)).storage_used);
const insertUser = (id: string) =>
  service.database.sql(
    "INSERT INTO users (id, keycloak_id, email, full_name) VALUES ($1::uuid, $1::text, $1::text || '@x.org', 'Late')",
    [id],
  );
type Letter = { code: string; offset: string; retry_at: Date | null; retry_count: number };
const letters = (): Promise<Letter[]> =>
  service.database.sql(
    'SELECT code, "offset"::text, retry_at, retry_count FROM dead_letters ORDER BY dead_letters."offset"',
  );
/** Makes waiting events due now, except those that are already due or claimed. */
const makeDue = () =>
  service.database.sql(`
    UPDATE dead_letters SET retry_at = now() WHERE id IN (
      SELECT id FROM dead_letters WHERE retry_at > now() AND retry_at < now() + interval '20 s'
      FOR UPDATE SKIP LOCKED)`);
const retriesOver = (ms = 20_000) =>
  waitFor(async () => {
    await makeDue();
    await retry(); // earlier than the service would
    const waiting = "SELECT 1 FROM dead_letters WHERE retry_at IS NOT NULL LIMIT 1";
    return (await service.database.sql(waiting)).length === 0;
  }, ms);

test("ingest: of redelivered records in random order, each valid one is counted once and each invalid one is one dead letter", async () => {
  const kinds = [
    "good",
    "refused",
    "not JSON",
    "deep",
    "not UTF-8",
    "late",
    "late refused",
    "never",
  ] as const;
  const batches = fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(60), async (records, cut) => {
      await service.database.sql("DELETE FROM dead_letters");
      const { id: known } = await createUser(service);
      const late = crypto.randomUUID();
      const run = crypto.randomUUID();
      const messages = records.map((kind, n) => {
        const id = `${run}-${n}`;
        if (kind === "good") return upload(known, id);
        if (kind === "refused") return upload(known, `refused-${id}`);
        if (kind === "deep") return deep("no UUID", id, 20_000);
        if (kind === "not UTF-8") return message(Buffer.from([0x7b, 0xff]));
        if (kind === "late") return upload(late, id);
        if (kind === "late refused") return upload(late, `refused-${id}`);
        if (kind === "never") return deep(crypto.randomUUID(), id, 20_000);
        return message(`no JSON ${id}`);
      });
      await ingest(messages.slice(0, cut)); // as if the node died here: all records are read again
      await ingest(messages);
      await insertUser(late);
      await retriesOver();

      const count = (...wanted: string[]) => records.filter((kind) => wanted.includes(kind)).length;
      expect(await storageOf(known)).toBe(count("good"));
      expect(await storageOf(late)).toBe(count("late"));
      const tally = Map.groupBy(await letters(), ({ code }) => code);
      expect(tally.get("PROCESSING_ERROR")?.length ?? 0).toBe(count("refused", "late refused"));
      expect(tally.get("INVALID_JSON")?.length ?? 0).toBe(count("not JSON", "not UTF-8"));
      expect(tally.get("VALIDATION_ERROR")?.length ?? 0).toBe(count("deep"));
      expect(tally.get("USER_NOT_FOUND")?.length ?? 0).toBe(count("never"));
    }),
    { numRuns: 8 },
  );
  await outboxEmpty(service.database);
}, 120_000);

test("ingest: a record whose dead letter cannot be stored is skipped, and the other records are counted", async () => {
  const { id } = await createUser(service);
  const run = crypto.randomUUID();
  await ingest([upload(id, `${run}-1`), message("unstorable"), upload(id, `${run}-2`), message("no JSON")]);
  expect(await storageOf(id)).toBe(2);
  expect(await letters()).toMatchObject([{ code: "INVALID_JSON" }]);
});

test("ingest: an event that is sent again after it was given up is retried, and counted if its user exists by then", async () => {
  const id = crypto.randomUUID();
  const event = upload(id, `again-${id}`);
  await ingest([event]);
  await retriesOver();
  expect(await letters()).toMatchObject([{ code: "USER_NOT_FOUND", retry_at: null, retry_count: 5 }]);
  await ingest([event, event]);
  expect(await letters()).toMatchObject([{ retry_at: expect.any(Date), retry_count: 0 }]);
  await insertUser(id);
  await retriesOver();
  expect(await storageOf(id)).toBe(1);
  expect(await letters()).toEqual([]);
});

test("ingest: events that a dead node had claimed are retried after their lease", async () => {
  const { claimDue } = await import("../../services/ingest/ingest.store.ts");
  const id = crypto.randomUUID();
  await ingest([upload(id, `claimed-${id}`)]);
  await service.database.sql("UPDATE dead_letters SET retry_at = now() + interval '1 hour'");
  await insertUser(id);
  await service.database.sql("UPDATE dead_letters SET retry_at = now()");
  await claimDue(200);
  await waitFor(async () => (await storageOf(id)) === 1);
  await waitFor(async () => (await letters()).length === 0);
});

test("while 1,200 events of unknown users and 6 of 1 MB, more than a round takes, are given up, an event of a known user is counted at once", async () => {
  const pad = "x".repeat(1_000_000);
  const large = Array.from({ length: 6 }, () => upload(crypto.randomUUID(), crypto.randomUUID(), { pad }));
  const small = Array.from({ length: 1_200 }, () => upload(crypto.randomUUID(), crypto.randomUUID()));
  const { id } = await createUser(service);
  await ingest([...large, ...small, upload(id, crypto.randomUUID())]);
  expect(await storageOf(id)).toBe(1);
  await retriesOver();
  const given =
    "SELECT count(*)::int AS count FROM dead_letters WHERE retry_count = 5 AND code = 'USER_NOT_FOUND'";
  expect(await service.database.sql(given)).toEqual([{ count: 1_206 }]);
});

test("ingest: events are counted after more than 2^31 processed events", async () => {
  const { id } = await createUser(service);
  await service.database.sql("SELECT setval('processed_events_id_seq', 2147483645)");
  await ingest(Array.from({ length: 5 }, () => upload(id, crypto.randomUUID())));
  expect(await storageOf(id)).toBe(5);
});

test("ingest: 1,500 events with ids of 900 characters are counted in calls that are small enough for Kafka", async () => {
  const { id } = await createUser(service);
  const sizes: number[] = [];
  const { countEvents } = await import("../../services/ingest/count.ts");
  const { broker } = service;
  const caller: Pick<typeof broker, "call"> = {
    call: (action: string, params?: unknown, options?: object) => {
      sizes.push(Buffer.byteLength(JSON.stringify(params)));
      return broker.call(action, params as object, options);
    },
  };
  const events = Array.from({ length: 1_500 }, (_, n) => ({
    event: {
      key: `media-events:${crypto.randomUUID()}`,
      topic: "media-events",
      userId: id,
      eventType: "media.uploaded",
      add: { storageUsed: 1 },
      causationId: `${n}`.padStart(900, "\u20ac"),
    },
  }));
  expect(await countEvents(caller as never, events)).toHaveLength(1_500);
  expect(await storageOf(id)).toBe(1_500);
  expect(Math.max(...sizes)).toBeLessThan(600_000);
});

test("ingest: an event whose dead letter cannot be published is given up without it, and does not block others", async () => {
  const unpublishable = "CHECK (topic <> 'media-events-dlq' OR position('unpublishable' in value::text) = 0)";
  await service.database.sql(`ALTER TABLE outbox ADD CONSTRAINT unpublishable ${unpublishable}`);
  const nobody = crypto.randomUUID();
  const late = crypto.randomUUID();
  await ingest([upload(nobody, "unpublishable-1"), upload(nobody, "publishable-1"), upload(late, "late-1")]);
  await service.database.sql("UPDATE dead_letters SET retry_count = 4");
  await insertUser(late);
  await retriesOver();
  expect(await storageOf(late)).toBe(1);
  expect((await letters()).map(({ code, retry_at }) => [code, retry_at])).toEqual([
    ["PROCESSING_ERROR", null],
    ["USER_NOT_FOUND", null],
  ]);
  await service.database.sql("ALTER TABLE outbox DROP CONSTRAINT unpublishable");
});

test("ingest: a retry is counted once if its round is settled twice", async () => {
  const { claimDue, settle } = await import("../../services/ingest/ingest.store.ts");
  await ingest([upload(crypto.randomUUID(), "twice-1")]);
  await service.database.sql("UPDATE dead_letters SET retry_at = now() + interval '1 hour', retry_count = 1");
  const [letter] = await service.database.sql(
    'SELECT id::int, topic, partition, "offset"::text, code, retry_count AS "retryCount" FROM dead_letters',
  );
  const settlement = {
    letter: letter as Awaited<ReturnType<typeof claimDue>>[0],
    next: "retry",
    retryInMs: 3_600_000,
  } as const;
  await settle([settlement]);
  await settle([settlement]);
  expect((await letters())[0]?.retry_count).toBe(2);
});
