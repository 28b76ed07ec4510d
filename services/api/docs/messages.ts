import { type EventContract, VERSION } from "../../../lib/contract/events.ts";
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
import { CONSUMED_EVENTS, CONSUMED_TOPICS, RECEIPT } from "../../ingest/ingest.contract.ts";
import { ADA } from "../../users/users.contract.ts";

/** The messages on Kafka for AsyncAPI. */

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const AT = { timestamp: ADA.createdAt, userId: ADA.id };
const EVENT_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

export type Message = {
  name: string;
  title: string;
  summary: string;
  payload: JsonSchema;
  [field: string]: unknown;
};

/** `user.created` becomes `UserCreated`: the name of a generated class. */
export const titleOf = (type: string) =>
  type.replaceAll(/(?:^|[._-])(\w)/g, (_, letter) => letter.toUpperCase());

/** Gives an object, and each object and enumeration in it, a title: generators name classes by it. */
function withTitles(title: string, schema: JsonSchema): JsonSchema {
  const isClass = (part: JsonSchema) => part.properties !== undefined || part.enum !== undefined;
  const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(
    ([name, part]) => [name, isClass(part) ? withTitles(title + titleOf(name), part) : part],
  );
  return {
    title,
    ...schema,
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
  };
}

const payload = (title: string, field: Field): JsonSchema => ({
  $id: `urn:user-service:event:${title}`,
  ...withTitles(title, toJsonSchema(field)),
});

const exactly = (text: string): Field<string> => ({ type: "string", schema: { const: text } });

/** The envelope of our own events around their data. */
const envelope = (type: string, data: Fields) =>
  object({
    eventId: uuid(),
    eventType: exactly(type),
    timestamp: time(),
    userId: uuid(),
    data: object(data),
    metadata: {
      ...object({
        service: exactly("user-service"),
        version: anyText(),
        correlationId: anyText(),
        causationId: optional(anyText()),
      }),
      schema: { title: "EventMetadata" },
    },
  });

export const ours = Object.entries(PUBLISHED).map(
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

/** Other services may send more fields than are used. */
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

type TheirEvent = Pick<EventContract, "summary" | "data"> & { example: object };

export const theirs = Object.entries<TheirEvent>(CONSUMED_EVENTS).map(toMessage);

function toMessage([name, { summary, data, example }]: [string, TheirEvent]): Message {
  const title = titleOf(name);
  const userId = name === RECEIPT.type ? optional(uuid()) : uuid();
  const common = { eventId, eventType: exactly(name) };
  const current = { ...common, userId, timestamp: optional(time()) };
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
        withField(open(`${title}OlderEvent`, older), "payload", open(`${title}Payload`, { ...data, userId })),
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
}

export const deadLetter: Message = {
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
