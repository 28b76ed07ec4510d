import type { Context } from "moleculer";
import { readTraceparent, traceparentOf } from "../tracing/trace-context.ts";
import type { ConsumedEventType, Envelope, Events } from "./contracts.ts";

/** The catalogue of events (SPEC 7): what we publish, what we consume and from where. */

/** An event of ours on its way into the outbox. */
export type DomainEvent = {
  [Type in keyof Events]: { eventType: Type; userId: string; data: Events[Type] };
}[keyof Events];

/** What an event says of its origin: the trace it belongs to, and the event that caused it. */
export type Cause = {
  correlationId: string;
  causationId?: string;
  /** The span that it comes from; no part of the envelope. */
  traceparent?: string;
};

/** The cause of what an action does: the trace of its call, which Moleculer carries as the requestID. */
export const causeOf = (ctx: Pick<Context, "id" | "requestID">): Cause => ({
  correlationId: ctx.requestID ?? ctx.id,
  traceparent: traceparentOf(ctx),
});

/** A trace id as W3C trace context wants it: 32 hex digits. */
export const newTraceId = (): string => crypto.randomUUID().replaceAll("-", "");

/** Of the published events and of the API. */
export const VERSION = "1.0.0";

/** The topic of our own events. */
export const USER_EVENTS = "user-events";

/** The topic of the dead letters of a topic. */
export const deadLetterTopic = (topic: string): string => `${topic}-dlq`;

/** The types that are consumed, and the one topic of each. */
export const CONSUMED: Record<ConsumedEventType, { topic: "interview-events" | "media-events" }> = {
  "interview.created": { topic: "interview-events" },
  "interview.completed": { topic: "interview-events" },
  "media.uploaded": { topic: "media-events" },
  "media.deleted": { topic: "media-events" },
};

export const CONSUMED_TOPICS = [...new Set(Object.values(CONSUMED).map(({ topic }) => topic))];

/** Every topic that is used, to be created where it is missing. */
export const TOPICS = [USER_EVENTS, ...CONSUMED_TOPICS.flatMap((topic) => [topic, deadLetterTopic(topic)])];

/** A correlation id from outside is used if it is 1 to 128 visible ASCII characters; else the trace id stands for it. */
const CORRELATION_ID = /^[\x21-\x7e]{1,128}$/;
/** A longer causation id from outside is left out; in characters. */
const CAUSATION_ID_LIMIT = 255;

/** Wraps an event into the published envelope. Its eventId is new: call it once for each event. */
export const toEnvelope = (
  event: DomainEvent,
  { correlationId, causationId = "", traceparent }: Cause,
  now = new Date(),
): Envelope => ({
  eventId: crypto.randomUUID(),
  eventType: event.eventType,
  timestamp: now.toISOString(),
  userId: event.userId,
  data: event.data,
  metadata: {
    service: "user-service",
    version: VERSION,
    correlationId: CORRELATION_ID.test(correlationId)
      ? correlationId
      : (readTraceparent(traceparent)?.traceID ?? newTraceId()),
    ...(causationId && causationId.length <= CAUSATION_ID_LIMIT && { causationId }),
  },
});
