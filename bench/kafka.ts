import { Admin, Consumer } from "@platformatic/kafka";
import type { Bench, Part } from "./part.ts";
import type { Measurement } from "./statistics.ts";

/**
 * Shared code of the parts that need a real Kafka: one at KAFKA_BROKERS that nobody else uses, because they fill its
 * topics.
 */

/** Creates a part that needs Kafka's addresses; it is skipped if there are none. */
export const onKafka =
  (name: string, measure: (bench: Bench, brokers: string[]) => Promise<Measurement[]>): Part =>
  async (bench) => {
    const brokers = process.env.KAFKA_BROKERS;
    if (brokers) return measure(bench, brokers.split(","));
    console.error(`${name}: skipped, as KAFKA_BROKERS is not set`);
    return [];
  };

/** Connects a node to Kafka, with topics and a consumer group that no other node has. */
export const kafkaEnv = (brokers: string[], services: string) => ({
  KAFKA_BROKERS: brokers.join(","),
  KAFKA_GROUP_ID: `bench-${crypto.randomUUID()}`,
  NAMESPACE: "bench",
  NODEID: "bench",
  SERVICES: services,
});

/** Creates the missing topics. */
export async function createTopics(
  bootstrapBrokers: string[],
  topics: string[],
  partitions: number,
): Promise<void> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers });
  const existing = await admin.listTopics();
  const missing = topics.filter((topic) => !existing.includes(topic));
  if (missing.length > 0) await admin.createTopics({ topics: missing, partitions });
  await admin.close();
}

/** Receives everything that is produced from now on. */
export async function listen(
  brokers: string[],
  topic: string,
  onValue: (value: Buffer) => void,
): Promise<{ close(): Promise<void> }> {
  const groupId = `bench-${crypto.randomUUID()}`;
  const consumer = new Consumer({ clientId: "bench", bootstrapBrokers: brokers, groupId });
  const stream = await consumer.consume({
    topics: [topic],
    mode: "latest",
    autocommit: 5_000,
    maxWaitTime: 500,
  });
  stream.on("data", ({ value }) => onValue(value));
  return {
    async close() {
      await stream.close();
      await consumer.close(true);
    },
  };
}
