import type { Fields, InferAll } from "./fields.ts";

/** Events (contract 7): how they are declared, and the envelope around them. */

/** An event as its contract declares it. */
export type EventContract<Data extends Fields = Fields> = {
  summary: string;
  data: Data;
  example: InferAll<Data>;
};
export type EventContracts = Record<string, EventContract>;

/** Declares an event. */
export const event = <Data extends Fields>(contract: EventContract<Data>): EventContract<Data> => contract;

/** By type: the `data` of the events. */
export type EventTypes<Contracts extends EventContracts> = {
  [Type in keyof Contracts]: InferAll<Contracts[Type]["data"]>;
};

/** What an event says of its origin: the trace it belongs to, and the event that caused it. */
export type Cause = {
  correlationId: string;
  causationId?: string;
  /** The span that it comes from; not part of the envelope. */
  traceparent?: string;
};

/** Of the published events and of the API. */
export const VERSION = "1.0.0";

/** A trace id as W3C Trace Context wants it: 32 hex digits. */
export const newTraceId = (): string => crypto.randomUUID().replaceAll("-", "");

/** The topic of our own events. */
export const USER_EVENTS = "user-events";

/** The topic of the dead letters of a topic. */
export const deadLetterTopic = (topic: string): string => `${topic}-dlq`;

/** A correlation id from outside is used if it is 1 to 128 visible ASCII characters; else the trace id stands for it. */
const CORRELATION_ID = /^[\x21-\x7e]{1,128}$/;
export const isCorrelationId = (id: unknown): id is string =>
  typeof id === "string" && CORRELATION_ID.test(id);
/** A longer causation id from outside is left out; in characters. */
const CAUSATION_ID_LIMIT = 255;

/** Wraps an event into the published envelope. The eventId is new on each call. */
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
