import { deadLetterTopic } from "../../lib/contract/events.ts";
import type { OutboxRecord } from "../../models/outbox.ts";

/** A consumed event that could not be counted (SPEC 7). */

export type DeadLetterCode = "INVALID_JSON" | "VALIDATION_ERROR" | "USER_NOT_FOUND";

export type DeadLetter = {
  /** What tells it from others: the event's own key, or where and what the message is. */
  key: string;
  topic: string;
  /** Null for an event that was emitted natively. */
  partition: number | null;
  offset: string | null;
  /** The message as it came. */
  event: Buffer;
  code: DeadLetterCode;
  message: string;
  retryCount: number;
};

/** Kafka refuses a record above 1 MiB, and a byte of the message may take six here: a NUL is written as \u0000. */
const MAX_PUBLISHED = 128 * 1024; // bytes

/** A dead letter as its topic gets it; `originalEvent` is cut where it is too long. */
export function toRecord(letter: DeadLetter, now: Date): OutboxRecord {
  const { topic, partition, offset, event, code, message, retryCount } = letter;
  const truncated = event.length > MAX_PUBLISHED;
  const original = truncated ? event.subarray(0, MAX_PUBLISHED).toString() : parsed(event.toString());
  return {
    topic: deadLetterTopic(topic),
    key: null,
    value: JSON.stringify({
      originalEvent: original,
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
    }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
