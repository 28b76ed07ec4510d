import type { Admin, PartitionerArgs, Producer } from "kafkajs";
import type { KafkaConfig } from "../config/config.ts";
import { openOnce, within } from "../runtime/tasks.ts";
import { CLOSE_WITHIN, loadClient, SHORT_RETRY, type Warn } from "./client.ts";
import { noteRight } from "./rights.ts";
import { type Produced, sendByPartition } from "./send-in-order.ts";

/** A record to send; records with the same key stay in order. */
type ProducedRecord = {
  key: string | null;
  value: string;
  headers?: Record<string, string>;
};

export type TopicProducer = {
  /**
   * Sends records to the topic, in order per key, and returns the outcome of each. Never rejects. A published record is
   * on all in-sync replicas. Takes about 25 s at most if Kafka does not answer.
   */
  produce<Item extends ProducedRecord>(records: Item[]): Promise<Produced<Item>>;
  close(): Promise<void>;
};

/** In ms. After `within`, no further batch is sent. The topic's partitions are looked up again after `partitions`. */
const LIMIT = { within: 8_000, partitions: 60_000 };

type Partitions = PartitionerArgs["partitionMetadata"];
type Client = {
  producer: Producer;
  admin: Admin;
  partitionOf(args: PartitionerArgs): number;
  close(): Promise<unknown>;
};

/**
 * A producer for one topic, because a kafkajs client with several topics fails for all of them when one is deleted. It
 * connects on the first record. Each request goes to one partition, because kafkajs reports errors per request: with
 * several partitions it would be unknown which of them stored their records.
 */
export function openProducer(config: KafkaConfig, topic: string, warn: Warn): TopicProducer {
  const client = openOnce(() => openClient(config, warn));
  let known: { partitions: Partitions; until: number } | undefined;

  async function partitionsOf(admin: Admin): Promise<Partitions> {
    if (known && performance.now() < known.until) return known.partitions;
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    known = { partitions: topics[0]?.partitions ?? [], until: performance.now() + LIMIT.partitions };
    return known.partitions;
  }

  function note(failure: unknown): void {
    if (failure) known = undefined;
    noteRight(`WRITE on topic ${topic}`, failure, warn);
  }

  return {
    async produce(records) {
      const end = performance.now() + LIMIT.within;
      try {
        const { producer, admin, partitionOf } = await client.get();
        const partitionMetadata = await partitionsOf(admin);
        const produced = await sendByPartition(
          records,
          (message) => partitionOf({ topic, partitionMetadata, message }),
          (partition, batch) => producer.send({ topic, acks: -1, messages: batch.map(toMessage(partition)) }),
          () => performance.now() > end,
        );
        note(produced.failure);
        return produced;
      } catch (failure) {
        note(failure);
        return { published: [], refused: [], failure };
      }
    },

    async close() {
      await within(
        CLOSE_WITHIN,
        client.ifOpen().then((open) => open?.close()),
      );
    },
  };
}

async function openClient(config: KafkaConfig, warn: Warn): Promise<Client> {
  const { Partitioners } = await import("kafkajs");
  const kafka = await loadClient(config, warn);
  const createPartitioner = Partitioners.DefaultPartitioner;
  const options = { retry: SHORT_RETRY, allowAutoTopicCreation: false, createPartitioner };
  const producer = kafka.producer(options);
  const admin = kafka.admin({ retry: SHORT_RETRY });
  const close = () => Promise.all([producer.disconnect(), admin.disconnect()]);
  try {
    await producer.connect();
    await admin.connect();
  } catch (error) {
    await within(CLOSE_WITHIN, close()); // the next record opens both again
    throw error;
  }
  return { producer, admin, partitionOf: createPartitioner(), close };
}

const toMessage =
  (partition: number) =>
  ({ key, value, headers }: ProducedRecord) => ({ key, value, headers, partition });
