import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel, type Message } from "kafkajs";
import { allTopics } from "../../services/contracts.ts";
import { waitFor } from "../helpers/wait-for.ts";

const TOPICS = allTopics([]);

/** The topics, read without the code of the service. */

const kafka = new Kafka({
  brokers: (process.env.KAFKA_BROKERS ?? "").split(","),
  logLevel: logLevel.NOTHING,
  requestTimeout: 5_000,
  enforceRequestTimeout: true,
  retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 10 },
});

/** Messages that go out together: Kafka refuses more than 1 MiB. */
const BATCH = 1_000;
const PARTITIONS = 3;

export type Topics = Awaited<ReturnType<typeof openTopics>>;

export async function openTopics() {
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);

  /** By partition: the offsets of the first existing and of the next record. */
  const offsetsOf = async (topic: string) =>
    new Map(
      (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => [
        partition,
        { low: Number(low), high: Number(high) },
      ]),
    );

  return {
    /** Recreates the topics while nothing uses them, because deleted records would reappear after a kill -9 of Kafka. */
    async empty(): Promise<void> {
      const existing = await admin.listTopics();
      await admin.deleteTopics({ topics: TOPICS.filter((topic) => existing.includes(topic)) });
      await admin.createTopics({
        topics: TOPICS.map((topic) => ({ topic, numPartitions: PARTITIONS })),
        waitForLeaders: false,
      });
      const haveLeaders = () => Promise.all(TOPICS.map(offsetsOf)).catch(() => sleep(100));
      await waitFor(haveLeaders, 30_000);
    },

    /** Removes the topics of a cluster that is gone. */
    async removeNamespace(namespace: string): Promise<void> {
      const topics = (await admin.listTopics()).filter((topic) => topic.includes(namespace));
      if (topics.length > 0) await admin.deleteTopics({ topics });
    },

    /**
     * Sends until Kafka has all messages, so some may be there twice. Each batch is for one partition: of several, kafkajs
     * (2.2.4) skips one whose leader changes to a broker that has just answered for another.
     */
    async send(topic: string, messages: Message[]): Promise<void> {
      for (let sent = 0; sent < messages.length; )
        try {
          const partition = Math.floor(Math.random() * PARTITIONS);
          const batch = messages.slice(sent, sent + BATCH).map((message) => ({ ...message, partition }));
          await producer.send({ topic, messages: batch });
          sent += BATCH;
        } catch {
          await producer.connect().catch(() => {});
        }
    },

    /** Reads all records of a topic, in order per partition. */
    async read(topic: string): Promise<Message[]> {
      const ends = await offsetsOf(topic);
      const messages: Message[] = [];
      const unread = new Set(
        [...ends].filter(([, { low, high }]) => high > low).map(([partition]) => partition),
      );
      if (unread.size === 0) return messages;
      const consumer = kafka.consumer({ groupId: `verifier-${crypto.randomUUID()}`, maxWaitTimeInMs: 200 });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await new Promise<void>((resolve, reject) => {
        consumer.on("consumer.crash", ({ payload }) => payload.restart || reject(payload.error));
        consumer
          .run({
            eachBatch: async ({ batch }) => {
              messages.push(...batch.messages);
              if (Number(batch.lastOffset()) + 1 >= (ends.get(batch.partition)?.high ?? 0))
                unread.delete(batch.partition);
              if (unread.size === 0) resolve();
            },
          })
          .catch(reject);
      });
      await consumer.disconnect();
      return messages;
    },

    /** Waits until each replica of all topics is in sync, because only then another broker may fail. */
    async inSync(): Promise<void> {
      const isLagging = ({ replicas, isr }: { replicas: number[]; isr: number[] }) =>
        isr.length < replicas.length;
      const lagging = async () => {
        const { topics } = await admin.fetchTopicMetadata();
        return topics.some(({ partitions }) => partitions.some(isLagging));
      };
      await waitFor(async () => !(await lagging().catch(() => sleep(100, true))), 60_000);
    },

    /** The number of records of the topics that a consumer group has not committed. */
    async lag(groupId: string, topics: string[]): Promise<number> {
      const groups = await admin.fetchOffsets({ groupId, topics });
      let lag = 0;
      for (const { topic, partitions } of groups) {
        const ends = await offsetsOf(topic);
        for (const { partition, offset } of partitions) {
          const { low = 0, high = 0 } = ends.get(partition) ?? {};
          lag += high - Math.max(low, Number(offset));
        }
      }
      return lag;
    },

    close: () => Promise.all([admin.disconnect(), producer.disconnect()]),
  };
}
