import { expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { KafkaTransporter } from "../../lib/kafka/transporter.ts";

/** A transporter whose Kafka has no topics of the nodes `stopped`, which is known to have stopped, and `unknown`. */
function createTransporter(): KafkaTransporter {
  const { kafka } = readConfig({ KAFKA_BROKERS: "kafka:9092" });
  if (!kafka) throw new Error("KAFKA_BROKERS is set");
  const nodes = [
    { id: "alive", available: true },
    { id: "stopped", available: false },
  ];
  const producer = {
    async send({ messages }: { messages: { topic: string }[] }) {
      if (!messages.every(({ topic }) => topic.endsWith("alive"))) throw new Error("UNKNOWN_TOPIC");
    },
  };
  const broker = { registry: { nodes: { toArray: () => nodes } } };
  return Object.assign(new KafkaTransporter(kafka), { broker, producer, prefix: "MOL" });
}

const send = (type: string, target: string) =>
  createTransporter().send("", Buffer.from("packet"), { packet: { type, target } });

test.each(["RES", "EVENT", "INFO", "PONG"])(
  "sending %s to a node that has stopped succeeds without effect",
  async (type) => {
    await send(type, "alive");
    await send(type, "stopped");
  },
);

test("a call to a node that has stopped fails, and so does any packet to an unknown node", async () => {
  const failed = { type: "DEPENDENCY_UNAVAILABLE" };
  await expect(send("REQ", "stopped")).rejects.toMatchObject(failed);
  for (const type of ["REQ", "RES"]) await expect(send(type, "unknown")).rejects.toMatchObject(failed);
});
