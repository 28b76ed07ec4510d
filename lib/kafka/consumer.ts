import type { Consumer } from "kafkajs";
import type { KafkaConfig } from "../runtime/config.ts";
import { heard } from "../runtime/listening.ts";
import { loadClient, type Warn } from "./client.ts";

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
   * Hands over the topics' records, a partition's in order. A batch is done when `onBatch` resolves; one that rejects
   * comes again. The group begins at the earliest record. Continues by itself after an outage, until close().
   */
  consume(topics: string[], onBatch: (records: ConsumedRecord[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
};

const PARTITIONS_AT_ONCE = 3;

/** In ms. A member that died is missed after so long; one that deals with a large batch says that it lives. */
const SESSION = { sessionTimeout: 6_000, heartbeatInterval: 1_500 };
/** In ms. A consumer that tried for `maxRetryTime` waits no longer between tries, and never gives up. */
const CONSUMER_RETRY = { initialRetryTime: 200, maxRetryTime: 5_000, retries: Number.MAX_SAFE_INTEGER };

/** Opens no connection before consume(). */
export function openConsumer(config: KafkaConfig, warn: Warn): TopicConsumer {
  let consumer: Consumer | undefined;
  return {
    async consume(topics, onBatch) {
      heard("topics"); // from now on they are to be heard
      consumer = (await loadClient(config, warn)).consumer({
        groupId: config.groupId,
        maxWaitTimeInMs: 500, // it is as long as a stop takes
        ...SESSION,
        retry: { ...CONSUMER_RETRY, restartOnFailure: async () => true },
      });
      consumer.on(consumer.events.FETCH, () => heard("topics")); // an empty one too
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning: true });
      await consumer.run({
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
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

    async close() {
      await consumer?.disconnect();
    },
  };
}
