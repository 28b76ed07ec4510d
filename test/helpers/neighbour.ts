import { Kafka, logLevel } from "kafkajs";

/** Foreign programs that act as the other services on a real Kafka. */

/** A record of `user-events` or of a dead letter topic, with the fields that tests read. */
export type Received = {
  topic: string;
  key?: string;
  traceparent?: string;
  value: {
    eventType?: string;
    metadata: { correlationId: string };
    originalEvent?: string | { eventId?: string };
  };
};

export const brokers = (process.env.KAFKA_BROKERS ?? "").split(",");

const OURS = ["user-events", "interview-events-dlq", "media-events-dlq"];

/**
 * A plain Kafka program: it sends to the topics of other services, and keeps the records of ours. It creates ours if no node
 * has run before.
 */
export async function startNeighbour() {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: `neighbour-${crypto.randomUUID()}`, maxWaitTimeInMs: 200 });
  const received: Received[] = [];
  await Promise.all([producer.connect(), consumer.connect()]);
  const admin = kafka.admin();
  await admin.connect();
  const existing = await admin.listTopics();
  const missing = OURS.filter((topic) => !existing.includes(topic));
  await admin.createTopics({ topics: missing.map((topic) => ({ topic, numPartitions: 3 })) });
  await admin.disconnect();
  await consumer.subscribe({ topics: OURS, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, message: { key, value, headers } }) => {
      received.push({
        topic,
        key: key?.toString(),
        traceparent: headers?.traceparent?.toString(),
        value: JSON.parse(String(value)),
      });
    },
  });
  return {
    received,
    send: (topic: string, ...values: unknown[]) =>
      producer.send({
        topic,
        messages: values.map((value) => ({
          value: typeof value === "string" ? value : JSON.stringify(value),
        })),
      }),
    stop: () => Promise.all([producer.disconnect(), consumer.disconnect()]),
  };
}
