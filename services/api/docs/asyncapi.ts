import { deadLetterTopic, USER_EVENTS } from "../../../lib/contract/events.ts";
import { CONSUMED_BY_TYPE, CONSUMED_TOPICS } from "../../ingest/ingest.contract.ts";
import { INFO, TAGS } from "./info.ts";
import { deadLetter, type Message, ours, theirs, titleOf } from "./messages.ts";

/** The events on Kafka as AsyncAPI 3.0, generated from their contracts. */

/** Whether a consumed event is read from a topic; one that belongs to no topic may be on any. */
const isOn = (topic: string, { name }: Message) => (CONSUMED_BY_TYPE[name]?.topic ?? topic) === topic;

/** Each topic: what this service does there, and with which messages. */
const TOPICS = [
  {
    address: USER_EVENTS,
    action: "send",
    description: "Publish what happened to users.",
    messages: ours,
  },
  ...CONSUMED_TOPICS.flatMap((address) => [
    {
      address,
      action: "receive",
      description: "Count the events of other services.",
      messages: theirs.filter((message) => isOn(address, message)),
    },
    {
      address: deadLetterTopic(address),
      action: "send",
      description: `Set aside the events of \`${address}\` that cannot be counted.`,
      messages: [deadLetter],
    },
  ]),
];

const named = <Value>(items: Value[], nameOf: (item: Value) => string, to: (item: Value) => object) =>
  Object.fromEntries(items.map((item) => [nameOf(item), to(item)]));

export const asyncApi = (): object => ({
  asyncapi: "3.0.0",
  info: {
    title: "User Service events",
    description:
      "JSON on Kafka, delivered at least once and in order per user; a duplicate has the same `eventId`. The same events are emitted to Moleculer services, by their names.",
    ...INFO,
    tags: TAGS.filter(({ name }) => name !== "node"),
  },
  servers: {
    kafka: {
      host: "{broker}",
      protocol: "kafka",
      description: "The Kafka of the deployment, which may require SASL or TLS",
      variables: { broker: { default: "localhost:9092", description: "One of `KAFKA_BROKERS`" } },
    },
  },
  defaultContentType: "application/json",
  channels: named(
    TOPICS,
    ({ address }) => titleOf(address),
    ({ address, messages }) => ({
      address,
      messages: named(
        messages,
        ({ name }) => name,
        ({ name }) => ({ $ref: `#/components/messages/${name}` }),
      ),
    }),
  ),
  operations: named(
    TOPICS,
    ({ action, address }) => action + titleOf(address),
    ({ action, address, description }) => ({
      action,
      description,
      channel: { $ref: `#/channels/${titleOf(address)}` },
    }),
  ),
  components: {
    messages: named(
      [...ours, ...theirs, deadLetter],
      ({ name }) => name,
      (message) => message,
    ),
  },
});
