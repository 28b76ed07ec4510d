import { Producer } from "@platformatic/kafka";
import { ServiceBroker, Transporters } from "moleculer";
import { KafkaTransporter } from "../lib/kafka/transporter.ts";
import { createTopics, listen } from "./kafka.ts";

/** Three ways to call another process over Kafka. The answer repeats the question. */

export type Way = "ours" | "stock" | "raw";

/** One end of a connection. */
export type End = { ask(): Promise<unknown>; close(): Promise<unknown> };

/** Opens the end that asks; the other end must be running or start soon. */
export const openAsking = (way: Way, brokers: string[]): Promise<End> =>
  way === "raw" ? askRaw(brokers) : askAction(way, brokers);

/** Opens the end that answers, until the process exits. */
export const openAnswering = (way: Way, brokers: string[]): Promise<unknown> =>
  way === "raw" ? answerRaw(brokers) : startNode(way, brokers, "answering");

/** The configuration of moleculer.config.ts, except for the transporter. */
async function startNode(way: "ours" | "stock", brokers: string[], nodeID: string): Promise<ServiceBroker> {
  const kafka = { brokers, clientId: nodeID, groupId: "", ssl: false as const, sasl: undefined };
  const node = new ServiceBroker({
    nodeID,
    namespace: `bench-${way}`,
    transporter:
      way === "ours" ? new KafkaTransporter(kafka) : new Transporters.Kafka({ bootstrapBrokers: brokers }),
    serializer: "CBOR",
    heartbeatInterval: 1,
    heartbeatTimeout: 5,
    requestTimeout: 5_000,
    logger: false,
  });
  if (nodeID === "answering") node.createService({ name: "echo", actions: { say: ({ params }) => params } });
  await node.start();
  return node;
}

async function askAction(way: "ours" | "stock", brokers: string[]): Promise<End> {
  const node = await startNode(way, brokers, "asking");
  await node.waitForServices("echo", 30_000);
  return { ask: () => node.call("echo.say", { id: crypto.randomUUID() }), close: () => node.stop() };
}

/** A topic for each direction. */
const RAW = { questions: "bench-questions", answers: "bench-answers" };

async function askRaw(brokers: string[]): Promise<End> {
  const waiting = new Map<string, () => void>();
  const send = await openSender(brokers);
  const answers = await listen(brokers, RAW.answers, (value) => {
    const { id }: { id: string } = JSON.parse(value.toString());
    waiting.get(id)?.();
    waiting.delete(id);
  });
  return {
    ask: () =>
      new Promise<void>((resolve, reject) => {
        const id = crypto.randomUUID();
        waiting.set(id, resolve);
        send.to(RAW.questions, Buffer.from(JSON.stringify({ id }))).catch(reject);
      }),
    close: () => Promise.all([answers.close(), send.close()]),
  };
}

async function answerRaw(brokers: string[]): Promise<void> {
  await createTopics(brokers, Object.values(RAW), 1);
  const send = await openSender(brokers);
  await listen(brokers, RAW.questions, (value) => void send.to(RAW.answers, value));
}

async function openSender(brokers: string[]) {
  const producer = new Producer({ clientId: "bench", bootstrapBrokers: brokers });
  return {
    to: (topic: string, value: Buffer) =>
      producer.send({ messages: [{ topic, value, partition: 0 }], acks: 1 }),
    close: () => producer.close(),
  };
}
