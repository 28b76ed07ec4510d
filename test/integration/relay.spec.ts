import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { sendByPartition } from "../../lib/kafka/send-in-order.ts";
import type { Lease } from "../../services/outbox/lease.ts";
import type { Pending } from "../../services/outbox/outbox.store.ts";
import type { Lane } from "../../services/outbox/relay.rules.ts";
import type { RelayPort } from "../../services/outbox/relay.ts";
import { connectToDatabase } from "../helpers/connected.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { createFakeKafka, kafkaError, type Weather } from "../helpers/fake-kafka.ts";

/** The relay on a real PostgreSQL, with Kafka faked: random refusals, outages and restarts. */

const LANE: Lane = { topic: "user-events", batch: 160 };

let database: TestDatabase;
let runLane: typeof import("../../services/outbox/relay.ts").runLane;
let SHARDS: number;
let outboxAge: () => Promise<number>;
let retrySetAside: (selection: "all") => Promise<number[]>;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ database, close } = await connectToDatabase());
  ({ runLane } = await import("../../services/outbox/relay.ts"));
  ({ outboxAge, SHARDS } = await import("../../services/outbox/outbox.store.ts"));
  ({ retrySetAside } = await import("../../services/outbox/set-aside.store.ts"));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await database.sql("TRUNCATE outbox RESTART IDENTITY");
});
afterAll(() => close());

type Row = { key: string | null };

/** Enqueues records. The ids are their positions, from 1. */
const enqueue = (rows: Row[], topic = LANE.topic) =>
  database.sql(
    "INSERT INTO outbox (topic, key, value) SELECT $1, key, '{}' FROM unnest($2::text[]) AS rows (key)",
    [topic, rows.map(({ key }) => key)],
  );

const idsWhere = async (condition: string): Promise<number[]> =>
  (await database.sql<{ id: string }>(`SELECT id FROM outbox WHERE ${condition} ORDER BY id`)).map(({ id }) =>
    Number(id),
  );

/** A lease of all shards, while nobody writes to the outbox. */
const wholeLease = (): Lease => ({
  shards: Array.from({ length: SHARDS }, (_, shard) => shard),
  settled: Number.MAX_SAFE_INTEGER,
  over: new AbortController().signal,
});

/** Runs a relay until every record that can be published is published, or until something fails. */
async function liveOnce(publish: RelayPort["publish"]) {
  const setAside: number[] = [];
  const delays: unknown[] = [];
  const port: RelayPort = {
    publish,
    onCommitted: (_topic, { refused }) => setAside.push(...refused.map(({ record }) => record.id)),
    onDelay: (error) => delays.push(error),
  };
  await runLane(LANE, wholeLease(), port, AbortSignal.abort());
  return { setAside, delays };
}

const publishTo = (kafka: ReturnType<typeof createFakeKafka>) => (_topic: string, records: Pending[]) =>
  sendByPartition(records, kafka.partitionOf, kafka.send, () => false);

const history = fc.record({
  rows: fc.array(
    fc.record({
      key: fc.constantFrom("a", "b", "c", "d", null),
      bad: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 40 },
  ),
  weather: fc.array(fc.constantFrom<Weather>("passes", "is lost", "arrives, but its answer is lost"), {
    maxLength: 6,
  }),
  /** The relay dies after it has published this batch, before it commits. */
  dies: fc.option(fc.integer({ min: 1, max: 6 })),
});

test("after any failures, valid records are published in order, refused ones are set aside once, and later ones of their key held", async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ rows, weather, dies }) => {
      await database.sql("TRUNCATE outbox RESTART IDENTITY");
      await enqueue(rows);
      const wasCalm = weather.every((one) => one === "passes") && dies === null;
      let isBad = (id: number) => rows[id - 1]?.bad ?? false;
      const ahead = [...weather];
      const kafka = createFakeKafka((id) => isBad(id), ahead);
      let batches = 0;
      const publish: RelayPort["publish"] = async (topic, records) => {
        const produced = await publishTo(kafka)(topic, records);
        if (++batches === dies) throw new Error("The relay dies");
        return produced;
      };

      const setAside: number[] = [];
      for (let [lives, before] = [1, -1]; before < kafka.requests(); lives++) {
        before = kafka.requests();
        setAside.push(...(await liveOnce(publish)).setAside);
        expect(lives).toBeLessThan(20);
      }

      const firstBadOf = (key: string) => rows.findIndex((row) => row.key === key && row.bad) + 1;
      const expected = rows.flatMap(({ key, bad }, index) => {
        const id = index + 1;
        const isHeld = key !== null && firstBadOf(key) !== 0 && id > firstBadOf(key);
        return [{ id, key, outcome: isHeld ? "held" : bad ? "set aside" : "published" }];
      });
      const ids = (outcome: string) => expected.filter((one) => one.outcome === outcome).map(({ id }) => id);

      expect(setAside.sort((a, b) => a - b)).toEqual(ids("set aside"));
      expect(await idsWhere("fault = 'MESSAGE_TOO_LARGE'")).toEqual(ids("set aside"));
      expect(await idsWhere("fault IS NULL")).toEqual(ids("held"));
      expect(arrivals(kafka.taken)).toEqual(ids("published").sort((a, b) => a - b));
      expectOrder(kafka.taken);
      if (wasCalm) expect(kafka.taken).toHaveLength(ids("published").length);
      expect(kafka.requests()).toBeLessThan(40 + rows.length * 8);

      isBad = () => false;
      ahead.length = 0;
      await retrySetAside("all");
      expect((await liveOnce(publishTo(kafka))).delays).toEqual([]);
      expect(await idsWhere("true")).toEqual([]);
      expect(arrivals(kafka.taken)).toEqual(rows.map((_, index) => index + 1));
      expectOrder(kafka.taken);
    }),
    { numRuns: 40 },
  );
}, 60_000);

/** The ids that arrived, without duplicates. */
const arrivals = (taken: { id: number }[]) => [...new Set(taken.map(({ id }) => id))].sort((a, b) => a - b);

/** Expects that the first arrivals of each key's records are in order. */
function expectOrder(taken: { id: number; key: string | null }[]): void {
  for (const [key, records] of Map.groupBy(taken, (record) => record.key)) {
    const first = [...new Set(records.map(({ id }) => id))];
    if (key !== null) expect(first).toEqual(first.toSorted((a, b) => a - b));
  }
}

test("a user with thousands of records delays users of other shards by one page, and each user's order is kept", async () => {
  const busy = Array.from({ length: 3_000 }, () => ({ key: "busy" }));
  const names = Array.from({ length: 100 }, (_, n) => `user-${n}`);
  await enqueue([...busy, ...names.map((key) => ({ key })), ...names.map((key) => ({ key }))]);
  const shardOf = new Map(
    (
      await database.sql<{ key: string; shard: number }>(
        "SELECT DISTINCT key, (hashtextextended(key, 0) & 31)::int AS shard FROM outbox",
      )
    ).map(({ key, shard }) => [key, shard]),
  );
  const kafka = createFakeKafka(() => false);
  await liveOnce(publishTo(kafka));
  expect(kafka.taken).toHaveLength(3_200);
  expectOrder(kafka.taken);
  const others = names.filter((name) => shardOf.get(name) !== shardOf.get("busy"));
  expect(others.length).toBeGreaterThan(80);
  const last = kafka.taken.findLastIndex(({ key }) => others.includes(key ?? ""));
  const before = kafka.taken.slice(0, last).filter(({ key }) => key === "busy");
  expect(before.length).toBeLessThan(10 * 5);
});

test("held records cost one query per round, for any number of them", async () => {
  await enqueue([{ key: "held" }, ...Array.from({ length: 2_000 }, () => ({ key: "held" }))]);
  await database.sql("UPDATE outbox SET set_aside_at = now(), fault = CASE id WHEN 1 THEN 'X' END");
  await enqueue([{ key: "zoe" }]);
  const kafka = createFakeKafka(() => false);
  await liveOnce(publishTo(kafka));
  expect(kafka.taken.map(({ key }) => key)).toEqual(["zoe"]);
});

test("a topic that refuses everything is retried for 30 s, then the first record of each key is set aside", async () => {
  await enqueue([{ key: "a" }, { key: "b" }, { key: "a" }, { key: null }, { key: null }]);
  const failure = kafkaError("TOPIC_AUTHORIZATION_FAILED", false);
  const stop = new AbortController();
  const setAside: number[] = [];
  const start = Date.now();
  let attempts = 0;
  const port: RelayPort = {
    publish: async () => {
      if (++attempts === 2) jest.spyOn(Date, "now").mockImplementation(() => start + 31_000);
      return { published: [], refused: [], failure };
    },
    onCommitted(_topic, { refused }) {
      setAside.push(...refused.map(({ record }) => record.id));
      if (refused.length > 0) stop.abort();
    },
    onDelay: () => {},
  };
  await runLane(LANE, wholeLease(), port, stop.signal);
  expect(attempts).toBe(2);
  expect(setAside.sort((a, b) => a - b)).toEqual([1, 2, 4, 5]);
  expect(await idsWhere("fault IS NULL")).toEqual([3]);
});

test("a lane reads only its own topic", async () => {
  await enqueue([{ key: "a" }], "media-events-dlq");
  await enqueue([{ key: "b" }]);
  const kafka = createFakeKafka(() => false);
  await liveOnce(publishTo(kafka));
  expect(kafka.taken.map(({ key }) => key)).toEqual(["b"]);
});

describe("The age of the outbox", () => {
  /** Enqueues records of this age in seconds. */
  const enqueueOld = (topic: string, keys: (string | null)[], seconds: number) =>
    database.sql(
      `INSERT INTO outbox (topic, key, value, created_at)
       SELECT $1, key, '{}', now() - $3 * interval '1 s' FROM unnest($2::text[]) AS rows (key)`,
      [topic, keys, seconds],
    );
  const takeOut = (fault: string | null) =>
    database.sql("UPDATE outbox SET set_aside_at = now(), fault = $1 WHERE set_aside_at IS NULL", [fault]);
  /** In hours, rounded, so that the duration of a test does not matter. */
  const age = async () => Math.round((await outboxAge()) / 3_600);

  test("is 0 if no record waits, otherwise the age of the oldest one, with or without a key", async () => {
    expect(await age()).toBe(0);
    await enqueueOld("user-events", ["b", "b", "a"], 3_600);
    expect(await age()).toBe(1);
    await enqueueOld("user-events", ["c"], 7_200);
    expect(await age()).toBe(2);
    await enqueueOld("media-events-dlq", [null, null], 10_800);
    expect(await age()).toBe(3);
  });

  test("ignores records that are set aside, and those held behind them on the same topic", async () => {
    await enqueueOld("user-events", ["a", null], 36_000);
    await takeOut("X");
    await enqueueOld("user-events", ["a", "a"], 18_000);
    await takeOut(null);
    expect(await age()).toBe(0);
    await enqueueOld("user-events", ["b", null], 3_600);
    expect(await age()).toBe(1);
    await enqueueOld("media-events-dlq", ["a"], 7_200);
    expect(await age()).toBe(2);
  });

  test("includes records that are held because their batch was not completely published, for the first 1,000 keys", async () => {
    const keys = Array.from({ length: 1_000 }, (_, n) => `key-${n}`);
    await enqueueOld("user-events", keys, 3_600);
    await takeOut(null);
    expect(await age()).toBe(1);
    await enqueueOld("user-events", ["key-7", "key-7"], 7_200);
    await takeOut(null);
    expect(await age()).toBe(1); // only the first record of each key counts
    await enqueueOld("user-events", ["key-8"], 7_200);
    expect(await age()).toBe(2);
  });
});
