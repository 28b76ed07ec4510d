import type { ConsumedEventType, Events } from "../../../lib/contract/contracts.ts";
import {
  CONSUMED,
  CONSUMED_TOPICS,
  deadLetterTopic,
  USER_EVENTS,
  VERSION,
} from "../../../lib/contract/events.ts";
import type { JsonSchema } from "../../../lib/contract/fields.ts";
import { COUNTED, envelope, PUBLISHED } from "./event-schemas.ts";
import { ADA } from "./operations.ts";
import { time, uuid } from "./schema-of.ts";

/** The events on Kafka as AsyncAPI 3.0: from the catalogue. */

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const AT = { timestamp: ADA.createdAt, userId: ADA.id };
const EVENT_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

type Message = { name: string; summary: string; payload: JsonSchema; [field: string]: unknown };

const ours = Object.entries(PUBLISHED).map(
  ([name, { summary, data, example }]): Message => ({
    name,
    summary,
    headers: {
      type: "object",
      properties: { traceparent: { type: "string", description: "W3C Trace Context" } },
    },
    payload: envelope(name as keyof Events, data),
    examples: [
      {
        payload: {
          eventId: EVENT_ID,
          eventType: name,
          ...AT,
          data: example,
          metadata: { service: "user-service", version: VERSION, correlationId: TRACE },
        },
      },
    ],
    bindings: { kafka: { key: { ...uuid, description: "The user's id" } } },
  }),
);

const eventId = {
  type: "string",
  description: "Any text; without one the event is known by what it is about",
};

const theirs = Object.entries(COUNTED).map(([name, { summary, data, example }]): Message => {
  const eventType = { type: "string", const: name };
  return {
    name,
    summary,
    payload: {
      anyOf: [
        {
          title: "Envelope",
          type: "object",
          properties: {
            eventId,
            eventType,
            timestamp: time,
            userId: uuid,
            data,
            metadata: { type: "object" },
          },
          required: ["eventType", "userId", "data"],
        },
        {
          title: "Older envelope",
          type: "object",
          properties: {
            eventId,
            eventType,
            timestamp: { type: "integer", description: "ms" },
            version: {},
            source: {},
            payload: { ...data, properties: { ...Object(data.properties), userId: uuid } },
          },
          required: ["eventType", "payload"],
        },
      ],
    },
    examples: [
      { name: "envelope", payload: { eventId: "evt-1", eventType: name, ...AT, data: example } },
      {
        name: "older",
        payload: {
          eventId: "evt-1",
          eventType: name,
          timestamp: Date.parse(AT.timestamp),
          version: "1.0",
          source: "a-neighbour",
          payload: { userId: AT.userId, ...example },
        },
      },
    ],
  };
});

const deadLetter: Message = {
  name: "dead-letter",
  summary: "An event that could not be counted, and why",
  payload: {
    type: "object",
    properties: {
      originalEvent: { description: "As it came: parsed, or as text where it is no JSON or too long" },
      truncated: { const: true },
      error: {
        type: "object",
        properties: {
          message: { type: "string" },
          code: { enum: ["INVALID_JSON", "VALIDATION_ERROR", "USER_NOT_FOUND"] },
          timestamp: time,
        },
        required: ["message", "code", "timestamp"],
      },
      metadata: {
        type: "object",
        properties: {
          originalTopic: { enum: CONSUMED_TOPICS },
          partition: { type: ["integer", "null"] },
          offset: { type: ["string", "null"] },
          serviceName: { const: "user-service" },
          retryCount: { type: "integer" },
          failedAt: time,
        },
        required: ["originalTopic", "partition", "offset", "serviceName", "retryCount", "failedAt"],
      },
    },
    required: ["originalEvent", "error", "metadata"],
  },
};

const topicOf = ({ name }: Message) => CONSUMED[name as ConsumedEventType].topic;

/** Each topic: what we do there, and with which messages. */
const TOPICS = [
  { address: USER_EVENTS, action: "send", messages: ours },
  ...CONSUMED_TOPICS.flatMap((address) => [
    { address, action: "receive", messages: theirs.filter((message) => topicOf(message) === address) },
    { address: deadLetterTopic(address), action: "send", messages: [deadLetter] },
  ]),
];

const named = <Value>(items: Value[], nameOf: (item: Value) => string, to: (item: Value) => object) =>
  Object.fromEntries(items.map((item) => [nameOf(item), to(item)]));

export const asyncApi = (): object => ({
  asyncapi: "3.0.0",
  info: {
    title: "User Service events",
    version: VERSION,
    description:
      "JSON on Kafka: at least once, in order per user; a duplicate carries the same `eventId`. The same events reach Moleculer services natively, by their names.",
  },
  defaultContentType: "application/json",
  channels: named(
    TOPICS,
    ({ address }) => address,
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
    ({ action, address }) => `${action}-${address}`,
    ({ action, address }) => ({ action, channel: { $ref: `#/channels/${address}` } }),
  ),
  components: {
    messages: named(
      [...ours, ...theirs, deadLetter],
      ({ name }) => name,
      (message) => message,
    ),
  },
});
