import { setTimeout as sleep } from "node:timers/promises";
import { Admin, ListOffsetTimestamps, Producer, stringSerializers } from "@platformatic/kafka";
import { progress } from "../cli/progress.ts";
import { alternate } from "./alternate.ts";
import { countBare } from "./bare-ingest.ts";
import type { Database } from "./databases.ts";
import { createTopics, kafkaEnv, onKafka } from "./kafka.ts";
import { seedUsers } from "./seed.ts";
import { launchService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";

/**
 * From Kafka to the counters: a backlog of events from other services, against the same SQL in a loop without Kafka.
 */
export const ingest = onKafka("ingest", async ({ databases, quick }, brokers) => {
  const count = quick ? 20_000 : 200_000;
  const [ours, theirs] = [await databases.create("ingest_ours"), await databases.create("ingest_theirs")];
  for (const database of [ours, theirs]) await seedUsers(database, 1_000);
  progress(`ingest: ${count} events onto Kafka`);
  const starts = await produceBacklog(brokers, await userIds(ours), count);

  const unit = "events/s";
  const measurements: Measurement[] = [];
  for (const locks of [true, false]) {
    const results = await alternate(
      "ingest",
      quick ? 2 : 5,
      async () => {
        await forget(ours);
        return rateOfService(ours, brokers, starts, count);
      },
      async () => {
        await forget(theirs);
        return countBare(theirs, { userIds: await userIds(theirs), count, locks });
      },
    );
    const name = `Kafka to counters; the same SQL alone${locks ? "" : ", without the lock"}`;
    measurements.push({ name, unit, ...results, target: locks ? { atLeast: 0.9 } : undefined });
  }
  return [...measurements, ...(await lags(ours, brokers, quick))];
});

/** How far the counters are behind Kafka at a steady rate of events, in ms. */
async function lags(database: Database, brokers: string[], quick: boolean): Promise<Measurement[]> {
  const ids = await userIds(database);
  const measurements: Measurement[] = [];
  for (const rate of [1_000, 5_000, 20_000]) {
    progress(`ingest: ${rate} events/s`);
    await forget(database);
    const env = kafkaEnv(brokers, "ingest,stats");
    await placeGroup(brokers, env.KAFKA_GROUP_ID, await endsOf(brokers));
    const service = await launchService({ ...database.env, ...env });
    const name = `Lag of the counters at ${rate.toLocaleString("en")} events/s`;
    const times = await lagsAt(rate, quick ? 3 : 20, brokers, ids, () => counted(database));
    measurements.push({ name, unit: "ms", ours: times });
    await service.stop();
  }
  return measurements;
}

/** Produces events on schedule, and measures every 100 ms how long ago the last counted event was due. */
async function lagsAt(
  rate: number,
  seconds: number,
  brokers: string[],
  ids: string[],
  count: () => Promise<number>,
): Promise<number[]> {
  const producer = openProducer(brokers);
  await producer.send({ messages: messagesFor(TOPICS[0], ids, 1) });
  while ((await count()) < 1) await sleep(20); // until the service reads
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let sent = 1;
  const sending = (async () => {
    while (elapsed() < 1000 * seconds) {
      const due = Math.min(BATCH, 1 + Math.floor((elapsed() * rate) / 1000) - sent);
      if (due > 0) await producer.send({ messages: messagesFor(TOPICS[sent % 2] ?? TOPICS[0], ids, due) });
      sent += Math.max(0, due);
      await sleep(5);
    }
  })();
  const times: number[] = [];
  while (elapsed() < 1000 * seconds) {
    await sleep(100);
    const now = elapsed();
    const behind = now - (1000 * ((await count()) - 1)) / rate;
    if (now > 1000) times.push(behind);
  }
  await sending;
  while ((await count()) < sent) await sleep(20);
  await producer.close();
  return times;
}

async function userIds({ sql }: Database): Promise<string[]> {
  const users = await sql<{ id: string }>("SELECT id FROM users");
  return users.map(({ id }) => id);
}

/** The end of a topic's partitions before our events. */
type Start = { name: string; partitionOffsets: { partition: number; offset: bigint }[] };

const TOPICS = ["interview-events", "media-events"] as const;
/** As many events are sent at once: Kafka refuses a batch above 1 MiB. */
const BATCH = 1_000;
const PARTITIONS = [0, 1, 2];

/** Each event adds 1 to a sum: the sums show how many events were counted, and whether each was counted once. */
const EVENT = {
  "interview-events": () => ({ eventType: "interview.created", data: { interviewId: crypto.randomUUID() } }),
  "media-events": () => ({
    eventType: "media.uploaded",
    data: { fileId: crypto.randomUUID(), fileSize: 1 },
  }),
};

async function produceBacklog(brokers: string[], ids: string[], count: number): Promise<Start[]> {
  await createTopics(brokers, [...TOPICS], PARTITIONS.length);
  const starts = await endsOf(brokers);
  const producer = openProducer(brokers);
  for (let sent = 0; sent < count; sent += BATCH)
    await producer.send({ messages: messagesFor(TOPICS[(sent / BATCH) % 2] ?? TOPICS[0], ids, BATCH) });
  await producer.close();
  return starts;
}

const openProducer = (bootstrapBrokers: string[]) =>
  new Producer({ clientId: "bench", bootstrapBrokers, serializers: stringSerializers });

const messagesFor = (topic: keyof typeof EVENT, ids: string[], count: number) =>
  Array.from({ length: count }, () => {
    const userId = ids[Math.floor(Math.random() * ids.length)] ?? "";
    const event = { eventId: crypto.randomUUID(), userId, timestamp: new Date(), ...EVENT[topic]() };
    return { topic, key: userId, value: JSON.stringify(event) };
  });

async function endsOf(brokers: string[]): Promise<Start[]> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers: brokers });
  const partitions = PARTITIONS.map((partitionIndex) => ({
    partitionIndex,
    timestamp: ListOffsetTimestamps.LATEST,
  }));
  const ends = await admin.listOffsets({ topics: TOPICS.map((name) => ({ name, partitions })) });
  await admin.close();
  return ends.map(({ name, partitions }) => ({
    name,
    partitionOffsets: partitions.map(({ partitionIndex, offset }) => ({ partition: partitionIndex, offset })),
  }));
}

/** Undoes what the last round counted. */
async function forget({ sql }: Database): Promise<void> {
  await sql("TRUNCATE processed_events, outbox, dead_letters");
  await sql("UPDATE users SET interviews_created = 0, interviews_active = 0, storage_used = 0");
  await sql("VACUUM users");
}

/** In events per second, from the first counted event to the last. */
async function rateOfService(database: Database, brokers: string[], starts: Start[], count: number) {
  const env = kafkaEnv(brokers, "ingest,stats");
  await placeGroup(brokers, env.KAFKA_GROUP_ID, starts);
  const service = await launchService({ ...database.env, ...env });
  let [first, last] = [
    { at: 0, counted: 0 },
    { at: 0, counted: 0 },
  ];
  while (last.counted < count) {
    await sleep(20);
    last = { counted: await counted(database), at: performance.now() };
    if (first.counted === 0) first = last;
  }
  await service.stop();
  if (last.counted > count) throw new Error(`${last.counted} events were counted instead of ${count}`);
  return (1000 * (last.counted - first.counted)) / (last.at - first.at);
}

/** Sets the group's offsets to the start of our events. */
async function placeGroup(brokers: string[], groupId: string, starts: Start[]): Promise<void> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers: brokers });
  await admin.alterConsumerGroupOffsets({ groupId, topics: starts });
  await admin.close();
}

async function counted({ sql }: Database): Promise<number> {
  const [row] = await sql<{ sum: number }>(
    "SELECT (sum(interviews_created) + sum(storage_used))::int AS sum FROM users",
  );
  return row?.sum ?? 0;
}
