import type { Consumer, EachBatchPayload } from "kafkajs";
import type { KafkaConfig } from "../config/config.ts";
import { heard, listenTo } from "../runtime/listening.ts";
import { retryUntilDone, within } from "../runtime/tasks.ts";
import { loadClient, type Warn } from "./client.ts";
import { registerCodecs } from "./codecs.ts";
import { limitBatches } from "./read-batches.ts";
import { limitHeaders } from "./record-headers.ts";
import { denialIn, noteRight } from "./rights.ts";

/** A record as it was read; a null value is a tombstone. */
export type ConsumedRecord = {
  topic: string;
  partition: number;
  offset: string;
  value: Buffer | null;
  traceparent?: string;
};

export type TopicConsumer = {
  /**
   * Passes the topics' records to `onBatch`, in order per partition. A batch is done when `onBatch` resolves; if it
   * rejects, the batch is read again. The group begins at the earliest record. After any crash of the client, a new one
   * is created with back-off. Resolves after close().
   */
  consume(topics: string[], onBatch: (records: ConsumedRecord[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
};

const PARTITIONS_AT_ONCE = 3;

/** In ms. A dead member is removed after the session timeout; heartbeats continue while a large batch is processed. */
const SESSION = { sessionTimeout: 6_000, heartbeatInterval: 1_500 };
/** In ms. The delay between attempts grows to `maxRetryTime`. The consumer never gives up. */
const CONSUMER_RETRY = { initialRetryTime: 200, maxRetryTime: 5_000, retries: Number.MAX_SAFE_INTEGER };
/** In ms. The delay before a new client is created after a crash. */
const CRASH_BACKOFF = { first: 500, last: 10_000 };

/** In ms. How long a stop waits for the last batch and for Kafka, which may not answer. */
const LEAVE_WITHIN = 1_500;

/** Connects in consume(). */
export function openConsumer(config: KafkaConfig, warn: Warn): TopicConsumer {
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener("abort", () => resolve());
  });
  let consuming: Promise<void> | undefined;
  return {
    consume(topics, onBatch) {
      const { signal } = stop;
      const position = createPosition();
      consuming = retryUntilDone(() => consumeUntilCrash(topics, onBatch, position), {
        backoff: CRASH_BACKOFF,
        signal,
        onError: (error) => {
          noteRights(topics, error);
          warn(`The consumer crashed and is recreated: ${error}${position.last()}`);
        },
      });
      return consuming;
    },

    async close() {
      stop.abort();
      await consuming;
    },
  };

  function noteRights(topics: string[], error?: unknown): void {
    const isGroup = denialIn(error) === "GROUP_AUTHORIZATION_FAILED";
    if (!error || isGroup) noteRight(`READ on group ${config.groupId}`, error, warn);
    if (!error || !isGroup) noteRight(`READ on topics ${topics.join(", ")}`, error, warn);
  }

  /** Resolves after close(), and rejects with the error of a crash. */
  async function consumeUntilCrash(
    topics: string[],
    onBatch: (records: ConsumedRecord[]) => Promise<void>,
    position: Position,
  ): Promise<void> {
    await Promise.all([registerCodecs(), limitHeaders(), limitBatches()]);
    const consumer = (await loadClient(config, warn)).consumer({
      groupId: config.groupId,
      allowAutoTopicCreation: false, // without the right to, Kafka would deny reading
      maxWaitTimeInMs: 500, // also the longest delay of a stop
      metadataMaxAge: 30_000, // new partitions are read after at most this time
      ...SESSION,
      // the client restarts itself only after some crashes, so a new one is created after each
      retry: { ...CONSUMER_RETRY, restartOnFailure: async () => false },
    });
    const crashed = new Promise<never>((_resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    });
    consumer.on(consumer.events.FETCH, () => noteRights(topics));
    const started = start(consumer, topics, (records) => position.during(records, onBatch));
    try {
      await Promise.race([stopped, crashed, started.then(() => crashed)]);
    } finally {
      await within(
        LEAVE_WITHIN,
        consumer.disconnect().catch((error) => warn(`The consumer did not disconnect: ${error}`)),
      );
    }
  }
}

async function start(
  consumer: Consumer,
  topics: string[],
  onBatch: (records: ConsumedRecord[]) => Promise<void>,
): Promise<void> {
  listenTo("topics"); // from now on records or empty fetches are expected
  consumer.on(consumer.events.FETCH, () => heard("topics"));
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
    autoCommitThreshold: 1, // otherwise the end of an aborted transaction is not committed and counts as lag
    async eachBatch({ batch, heartbeat }) {
      const beat = () => heartbeat().catch(() => {}); // the end of the batch reports any error
      const beating = setInterval(beat, SESSION.heartbeatInterval);
      await onBatch(recordsOf(batch)).finally(() => clearInterval(beating));
    },
  });
}

const recordsOf = ({ topic, partition, messages }: EachBatchPayload["batch"]): ConsumedRecord[] =>
  messages.map(({ offset, value, headers }) => {
    const traceparent = headers?.traceparent?.toString();
    return { topic, partition, offset, value, traceparent };
  });

type Position = ReturnType<typeof createPosition>;

/** Remembers which batches were being processed, for the log line of a crash. */
function createPosition() {
  const failed = new Set<string>();
  return {
    async during(records: ConsumedRecord[], work: (records: ConsumedRecord[]) => Promise<void>) {
      const { topic, partition, offset } = records[0] ?? {};
      const at = `${topic}/${partition} at offset ${offset}`;
      failed.add(at);
      await work(records);
      failed.delete(at);
    },
    last(): string {
      const places = [...failed];
      failed.clear();
      return places.length > 0 ? `; in progress: ${places.join(", ")}` : "";
    },
  };
}
