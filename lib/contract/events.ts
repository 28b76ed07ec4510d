import type { Fields, InferAll } from "./fields.ts";

/** How events are declared, and their envelope (contract 7). */

/** An event as its contract declares it. */
export type EventContract<Data extends Fields = Fields> = {
  summary: string;
  data: Data;
  example: InferAll<Data>;
};
type EventContracts = Record<string, EventContract>;

/** Declares an event; the type of its data is inferred. */
export const event = <Data extends Fields>(contract: EventContract<Data>): EventContract<Data> => contract;

/** Maps each event type to the type of its `data`. */
export type EventTypes<Contracts extends EventContracts> = {
  [Type in keyof Contracts]: InferAll<Contracts[Type]["data"]>;
};

/** The origin of an event: the trace it belongs to, and the event that caused it. */
export type Cause = {
  correlationId: string;
  causationId?: string;
  /** The span that publishes the event; not part of the envelope. */
  traceparent?: string;
};

/** The version of the published events and of the API. */
export const VERSION = "1.0.0";

/** A trace id as W3C Trace Context defines it: 32 hex digits. */
export const newTraceId = (): string => crypto.randomUUID().replaceAll("-", "");

/** The topic of our own events. */
export const USER_EVENTS = "user-events";

/** The name of a topic's dead-letter topic. */
export const deadLetterTopic = (topic: string): string => `${topic}-dlq`;

/** A caller's correlation id is used if it is 1 to 128 visible ASCII characters; otherwise the trace id is used. */
const CORRELATION_ID = /^[\x21-\x7e]{1,128}$/;
export const isCorrelationId = (id: unknown): id is string =>
  typeof id === "string" && CORRELATION_ID.test(id);
/** In characters. A longer causation id is left out. */
const CAUSATION_ID_LIMIT = 255;

/** Wraps an event in the published envelope. Each call creates a new eventId. */
export const toEnvelope = <Event extends { eventType: string; userId: string; data: object }>(
  { eventType, userId, data }: Event,
  { correlationId, causationId = "", traceparent }: Cause,
  now = new Date(),
) => ({
  eventId: crypto.randomUUID() as string,
  eventType: eventType as Event["eventType"],
  timestamp: now.toISOString(),
  userId,
  data: data as Event["data"],
  metadata: {
    service: "user-service" as const,
    version: VERSION,
    correlationId: isCorrelationId(correlationId)
      ? correlationId
      : (traceparent?.split("-")[1] ?? newTraceId()),
    ...(causationId && causationId.length <= CAUSATION_ID_LIMIT && { causationId }),
  },
});
