import { createHash } from "node:crypto";
import { deadLetterTopic } from "../../lib/contract/events.ts";
import type { ConsumedRecord } from "../../lib/kafka/consumer.ts";
import { MAX_VALUE } from "../../lib/kafka/cut-records.ts";
import type { OutboxRecord } from "../../models/outbox.ts";
import type { CountedEvent } from "../stats/stats.contract.ts";

/** Consumed events that could not be counted (contract 7). */

export type DeadLetterCode = "INVALID_JSON" | "VALIDATION_ERROR" | "USER_NOT_FOUND" | "PROCESSING_ERROR";

/** A message of a topic: from Kafka, or emitted natively and then without partition and offset. */
export type Message = Pick<ConsumedRecord, "topic" | "value" | "traceparent"> & {
  partition: number | null;
  offset: string | null;
};

export type DeadLetter = {
  /** Its identity: the event's own key, or the position and digest of the message. */
  key: string;
  topic: string;
  /** Null for an event that was emitted natively. */
  partition: number | null;
  offset: string | null;
  /** The message as it was received, at most MAX_VALUE bytes of it. */
  event: Buffer;
  code: DeadLetterCode;
  message: string;
  retryCount: number;
};

/** A dead letter to store: one that waits for its user has the event to count, and the delay of its next retry. */
export type NewDeadLetter = DeadLetter & { counted: CountedEvent | null; retryInMs: number | null };

/** Kafka refuses a record above 1 MiB, and a byte of the message may take six bytes here: NUL is written as \u0000. */
export const MAX_PUBLISHED = 128 * 1024; // bytes

/** A nesting depth that all JSON parsers accept; PostgreSQL refuses JSON that is nested some thousand levels deep. */
const MAX_DEPTH = 200;

/** A dead letter that is given up at once. Two equal messages at different positions are two dead letters. */
export function givenUp(message: Message, code: DeadLetterCode, reason: string): NewDeadLetter {
  const { topic, partition, offset, value } = message;
  const event = Buffer.from((value ?? Buffer.alloc(0)).subarray(0, MAX_VALUE));
  const digest = createHash("sha256").update(event).digest("hex");
  const key = `${topic}:${partition ?? ""}:${offset ?? ""}:${digest}`;
  const place = { key, topic, partition, offset, event };
  return { ...place, code, message: storable(reason), retryCount: 0, counted: null, retryInMs: null };
}

/** A dead letter whose user may be about to sign up: it is retried separately from the stream and delays nothing. */
export function waiting(message: Message, counted: CountedEvent, retryInMs: number): NewDeadLetter {
  const { topic, partition, offset, value } = message;
  return {
    key: counted.key,
    topic,
    partition,
    offset,
    event: value ?? Buffer.alloc(0),
    code: "USER_NOT_FOUND",
    message: `User with ID ${counted.userId} not found`,
    retryCount: 0,
    counted,
    retryInMs,
  };
}

/** The reason as text that PostgreSQL can store: without NUL and lone surrogates, at most 1,000 characters. */
export const storable = (reason: string): string =>
  reason.slice(0, 1_000).toWellFormed().replaceAll("\0", "\ufffd");

/** The record of a dead letter for its topic. An event above 128 KiB is cut and marked `truncated`. Never throws. */
export function toDeadLetterRecord(letter: DeadLetter, now: Date): OutboxRecord {
  const { topic, partition, offset, event, code, message, retryCount } = letter;
  const truncated = event.length > MAX_PUBLISHED;
  const text = event.toString("utf8", 0, MAX_PUBLISHED);
  const original = !truncated && isPlainJson(text) ? text : JSON.stringify(text);
  const rest = JSON.stringify({
    ...(truncated && { truncated }),
    error: { message, code, timestamp: now.toISOString() },
    metadata: {
      originalTopic: topic,
      partition,
      offset,
      serviceName: "user-service",
      retryCount,
      failedAt: now.toISOString(),
    },
  });
  // the original text is used, because serializing the event again would round large numbers
  return { topic: deadLetterTopic(topic), key: null, value: `{"originalEvent":${original},${rest.slice(1)}` };
}

function isPlainJson(text: string): boolean {
  try {
    return isShallow(JSON.parse(text), MAX_DEPTH);
  } catch {
    return false;
  }
}

const isShallow = (value: unknown, levels: number): boolean =>
  typeof value !== "object" ||
  value === null ||
  (levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1)));
