import type { Admin, Consumer, Kafka, Producer } from "kafkajs";
import type { KafkaConfig } from "../services/shared/config.ts";
import { heard } from "../services/shared/listening.ts";

/**
 * The domain topics (SPEC 7), behind two verbs: produce a batch, consume a batch. Nothing else knows which client
 * does it, so that the client can be exchanged.
 */

/** A record to be produced; records of one key stay in order. */
export type Outgoing = { topic: string; key: string | null; value: string; headers?: Record<string, string> };

/** A record as it came; a null value is a tombstone. */
export type Incoming = {
  topic: string;
  partition: number;
  offset: string;
  value: Buffer | null;
  traceparent?: string;
};

export type Topics = {
  /** Resolves when all in-sync replicas have the records. Rejects within seconds where Kafka is away. */
  produce(records: Outgoing[]): Promise<void>;
  /**
   * Hands over the topics' records, a partition's in order. A batch is done when `onBatch` resolves; one that rejects
   * comes again. The group begins at the earliest record. Goes on by itself after an outage, until close().
   */
  consume(topics: string[], onBatch: (records: Incoming[]) => Promise<void>): Promise<void>;
  /** Creates those topics that are missing. */
  create(topics: string[]): Promise<void>;
  /** How many records of the topics the group has yet to consume, by partition. */
  lag(topics: string[]): Promise<{ topic: string; partition: number; records: number }[]>;
  /** Whether Kafka answers just now. */
  check(): Promise<boolean>;
  close(): Promise<void>;
};

const PARTITIONS = 3;

/** Kafka refuses a batch above its message.max.bytes, 1 MiB by default: a few large dead letters reach it (measured). */
const BATCH_BYTES = 700_000;

/** In ms. A member that died is missed after so long; one that deals with a large batch says that it lives. */
const SESSION = { sessionTimeout: 6_000, heartbeatInterval: 1_500 };
/** In ms. A consumer that tried for `maxRetryTime` waits no longer between tries, and never gives up. */
const CONSUMER_RETRY = { initialRetryTime: 200, maxRetryTime: 5_000, retries: Number.MAX_SAFE_INTEGER };
/** The relay tries again by itself, and holds a lock meanwhile: so not for long. */
const PRODUCER_RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 2 };

/** Opens no connection before the first verb. */
export function openTopics(config: KafkaConfig, warn: (message: string) => void): Topics {
  const kafka = lazily(() => loadClient(config, warn));
  const producer = lazily(async () => {
    const options = { retry: PRODUCER_RETRY, allowAutoTopicCreation: false };
    return connected((await kafka.get()).producer(options));
  });
  const admin = lazily(async () => connected((await kafka.get()).admin({ retry: PRODUCER_RETRY })));
  let consumer: Consumer | undefined;

  return {
    async produce(records) {
      for (const batch of inBatches(records)) {
        const topicMessages = [...Map.groupBy(batch, ({ topic }) => topic)].map(([topic, messages]) => ({
          topic,
          messages,
        }));
        await (await producer.get()).sendBatch({ acks: -1, topicMessages });
      }
    },

    async consume(topics, onBatch) {
      heard("topics"); // from now on they are to be heard
      consumer = (await kafka.get()).consumer({
        groupId: config.groupId,
        maxWaitTimeInMs: 500, // it is as long as a stop takes
        ...SESSION,
        retry: { ...CONSUMER_RETRY, restartOnFailure: async () => true },
      });
      consumer.on(consumer.events.FETCH, () => heard("topics")); // an empty one too
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning: true });
      await consumer.run({
        partitionsConsumedConcurrently: PARTITIONS,
        eachBatch: async ({ batch: { topic, partition, messages }, heartbeat }) => {
          const records = messages.map(({ offset, value, headers }) => {
            const traceparent = headers?.traceparent?.toString();
            return { topic, partition, offset, value, traceparent };
          });
          const beat = () => heartbeat().catch(() => {}); // the batch's end tells what is wrong
          const beating = setInterval(beat, SESSION.heartbeatInterval);
          await onBatch(records).finally(() => clearInterval(beating));
        },
      });
    },

    async create(topics) {
      const client = await admin.get();
      const existing = await client.listTopics();
      const missing = topics.filter((topic) => !existing.includes(topic));
      if (missing.length > 0)
        await client.createTopics({
          topics: missing.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: -1 })),
          waitForLeaders: true,
        });
    },

    async lag(topics) {
      const client = await admin.get();
      const committed = await client.fetchOffsets({ groupId: config.groupId, topics });
      const perTopic = committed.map(async ({ topic, partitions }) => {
        const ends = await client.fetchTopicOffsets(topic);
        return ends.map(({ partition, low, high }) => {
          const next = Number(partitions.find((one) => one.partition === partition)?.offset ?? -1);
          return { topic, partition, records: Number(high) - Math.max(next, Number(low)) };
        });
      });
      return (await Promise.all(perTopic)).flat();
    },

    check: () =>
      admin
        .get()
        .then((client) => client.describeCluster())
        .then(
          () => true,
          () => false,
        ),

    async close() {
      await consumer?.disconnect();
      await Promise.all([producer, admin].map(async (client) => (await client.ifOpen())?.disconnect()));
    },
  };
}

/** Loaded where Kafka is used at all: it takes a tenth of a second. */
async function loadClient(config: KafkaConfig, warn: (message: string) => void): Promise<Kafka> {
  const { Kafka, logLevel } = await import("kafkajs");
  silenceTimeoutWarning();
  return new Kafka({
    clientId: config.clientId,
    brokers: config.brokers,
    ssl: config.ssl,
    sasl: config.sasl as never, // kafkajs tells mechanisms apart by type, we by value
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    enforceRequestTimeout: true,
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) =>
        warn(log.message),
  });
}

/** The records in order, cut so that each batch is one that Kafka takes. */
function inBatches(records: Outgoing[]): Outgoing[][] {
  const batches: Outgoing[][] = [];
  let room = 0;
  for (const record of records) {
    const bytes = Buffer.byteLength(record.value);
    if (bytes >= room) {
      batches.push([]);
      room = BATCH_BYTES;
    }
    batches.at(-1)?.push(record);
    room -= bytes;
  }
  return batches;
}

async function connected<Client extends Producer | Admin>(client: Client): Promise<Client> {
  await client.connect();
  return client;
}

/** Opens once, on first use; a failure is tried again on the next use. */
function lazily<Value>(open: () => Promise<Value>) {
  let opened: Promise<Value> | undefined;
  return {
    get(): Promise<Value> {
      opened ??= open();
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    },
    ifOpen: (): Promise<Value | undefined> => (opened ?? Promise.resolve(undefined)).catch(() => undefined),
  };
}

/** kafkajs computes a delay below zero at times, which Node 24 warns of once; it is harmless (measured). */
function silenceTimeoutWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    const [options] = rest as unknown[];
    if (options !== "TimeoutNegativeWarning") emit.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
}
