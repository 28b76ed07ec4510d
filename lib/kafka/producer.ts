import type { KafkaConfig } from "../runtime/config.ts";
import { openOnce } from "../runtime/tasks.ts";
import { connected, loadClient, SHORT_RETRY, type Warn } from "./client.ts";

/** A record to be produced; records of one key stay in order. */
export type ProducedRecord = {
  topic: string;
  key: string | null;
  value: string;
  headers?: Record<string, string>;
};

export type TopicProducer = {
  /** Resolves when all in-sync replicas have the records. Rejects within seconds if Kafka is unavailable. */
  produce(records: ProducedRecord[]): Promise<void>;
  close(): Promise<void>;
};

/** Kafka refuses a batch above its message.max.bytes, 1 MiB by default: a few large dead letters reach it (measured). */
const BATCH_BYTES = 700_000;

/** Opens no connection before the first record. */
export function openProducer(config: KafkaConfig, warn: Warn): TopicProducer {
  const producer = openOnce(async () => {
    const kafka = await loadClient(config, warn);
    return connected(kafka.producer({ retry: SHORT_RETRY, allowAutoTopicCreation: false }));
  });
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
    async close() {
      await (await producer.ifOpen())?.disconnect();
    },
  };
}

/** The records in order, cut so that Kafka takes each batch. */
function inBatches(records: ProducedRecord[]): ProducedRecord[][] {
  const batches: ProducedRecord[][] = [];
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
