import type { EventContract } from "../../../lib/contract/events.ts";
import { deadLetterTopic, USER_EVENTS, VERSION } from "../../../lib/contract/events.ts";
import {
  anyText,
  described,
  type Field,
  type Fields,
  nullable,
  object,
  oneOf,
  optional,
  time,
  uuid,
} from "../../../lib/contract/fields.ts";
import { type JsonSchema, toJsonSchema } from "../../../lib/contract/json-schema.ts";
import { PUBLISHED } from "../../contracts.ts";
import { CONSUMED_BY_TYPE, CONSUMED_TOPICS } from "../../ingest/ingest.contract.ts";
import { ADA } from "../../users/users.contract.ts";
import { INFO, TAGS } from "./info.ts";

/** The events on Kafka as AsyncAPI 3.0, generated from their contracts. */

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const AT = { timestamp: ADA.createdAt, userId: ADA.id };
const EVENT_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

type Message = {
  name: string;
  title: string;
  summary: string;
  payload: JsonSchema;
  [field: string]: unknown;
};

/** `user.created` becomes `UserCreated`: the name of a generated class. */
const titleOf = (type: string) => type.replaceAll(/(?:^|[._-])(\w)/g, (_, letter) => letter.toUpperCase());

const payload = (title: string, field: Field): JsonSchema => ({
  $id: `urn:user-service:event:${title}`,
  title,
  ...toJsonSchema(field),
});

const exactly = (text: string): Field<string> => ({ type: "string", schema: { const: text } });

/** The envelope of our own events around their data. */
const envelope = (type: string, data: Fields) =>
  object({
    eventId: uuid(),
    eventType: exactly(type),
    timestamp: time(),
    userId: uuid(),
    data: titled(`${titleOf(type)}Data`, object(data)),
    metadata: object({
      service: exactly("user-service"),
      version: anyText(),
      correlationId: anyText(),
      causationId: optional(anyText()),
    }),
  });

const titled = (title: string, field: Field): Field => ({ ...field, schema: { ...field.schema, title } });

const ours = Object.entries(PUBLISHED).map(
  ([name, { summary, data, example }]: [string, EventContract]): Message => ({
    name,
    title: titleOf(name),
    summary,
    headers: {
      type: "object",
      properties: { traceparent: { type: "string", description: "W3C Trace Context" } },
    },
    payload: payload(titleOf(name), envelope(name, data)),
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
    bindings: { kafka: { key: { ...toJsonSchema(uuid()), description: "The user's id" } } },
  }),
);

/** Neighbours may send more than is used. */
const open = (title: string, fields: Fields): JsonSchema => ({
  ...payload(title, object(fields)),
  additionalProperties: true,
});

/** A schema of an object with one more required field. */
function withField(schema: JsonSchema, name: string, field: JsonSchema): JsonSchema {
  const { properties, required } = schema as { properties: object; required: string[] };
  return { ...schema, properties: { ...properties, [name]: field }, required: [...required, name] };
}

const eventId = optional(
  described("Any text; without one the event is identified by its subject", anyText()),
);

const theirs = Object.entries(CONSUMED_BY_TYPE).map(([name, { summary, data, example }]): Message => {
  const title = titleOf(name);
  const common = { eventId, eventType: exactly(name) };
  const current = { ...common, userId: uuid(), timestamp: optional(time()) };
  const older = { ...common, timestamp: optional({ type: "number", schema: { description: "ms" } }) };
  return {
    name,
    title,
    summary,
    payload: {
      $id: `urn:user-service:event:${title}`,
      title,
      anyOf: [
        withField(open(`${title}Event`, current), "data", open(`${title}Data`, data)),
        withField(
          open(`${title}OlderEvent`, older),
          "payload",
          open(`${title}Payload`, { ...data, userId: uuid() }),
        ),
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
  title: "DeadLetter",
  summary: "An event that could not be counted, and why",
  payload: payload(
    "DeadLetter",
    object({
      originalEvent: {
        type: "any",
        schema: { type: ["object", "array", "string", "number", "boolean", "null"] },
      },
      truncated: optional({ type: "boolean", schema: { const: true } }),
      error: object({
        message: anyText(),
        code: oneOf(["INVALID_JSON", "VALIDATION_ERROR", "USER_NOT_FOUND", "PROCESSING_ERROR"]),
        timestamp: time(),
      }),
      metadata: object({
        originalTopic: oneOf(CONSUMED_TOPICS),
        partition: nullable({ type: "number", integer: true }),
        offset: nullable(anyText()),
        serviceName: exactly("user-service"),
        retryCount: { type: "number", integer: true },
        failedAt: time(),
      }),
    }),
  ),
};

const topicOf = ({ name }: Message) => CONSUMED_BY_TYPE[name]?.topic;

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
      messages: theirs.filter((message) => topicOf(message) === address),
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
      description: "The Kafka of the deployment, which may demand SASL or TLS",
      variables: { broker: { default: "localhost:9092", description: "One of `KAFKA_BROKERS`" } },
    },
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
    ({ action, address, description }) => ({
      action,
      description,
      channel: { $ref: `#/channels/${address}` },
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
