import { expect, jest, test } from "@jest/globals";

/** The clients of kafkajs that are open; `admin` does not connect. */
const open = new Set<string>();
const clientOf = (name: string, connects: boolean) => ({
  async connect() {
    if (!connects) throw new Error(`${name}: no connection`);
    open.add(name);
  },
  disconnect: async () => void open.delete(name),
});
jest.unstable_mockModule("kafkajs", () => ({
  logLevel: {},
  Partitioners: { DefaultPartitioner: () => () => 0 },
  Kafka: class {
    producer = () => clientOf("producer", true);
    admin = () => clientOf("admin", false);
  },
}));

test("if only one of a producer's two clients can connect, both are closed and the error is returned", async () => {
  const { readConfig } = await import("../../lib/config/config.ts");
  const { openProducer } = await import("../../lib/kafka/producer.ts");
  const { kafka } = readConfig({ KAFKA_BROKERS: "kafka:9092" });
  if (!kafka) throw new Error("KAFKA_BROKERS is set");
  const producer = openProducer(kafka, "user-events", () => {});
  const { published, failure } = await producer.produce([{ key: null, value: "{}" }]);
  expect([published, failure, [...open]]).toEqual([[], new Error("admin: no connection"), []]);
  await producer.close();
});
