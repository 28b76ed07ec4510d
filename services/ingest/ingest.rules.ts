import { createHash } from "node:crypto";
import type { ConsumedEventType, CountedEvent } from "../../lib/contract/contracts.ts";
import { CONSUMED } from "../../lib/contract/events.ts";
import { isStorable, UUID } from "../../lib/contract/fields.ts";

/** What becomes of a message from a neighbour (SPEC 7, "Consumed"): pure, from its text to the event that it tells of. */

import type { DeadLetterCode } from "./dead-letter.ts";

export type Reading =
  | { kind: "event"; event: CountedEvent }
  | { kind: "skip" }
  | { kind: "dead"; code: DeadLetterCode; message: string };

type Fields = Record<string, unknown>;

const skip: Reading = { kind: "skip" };
const dead = (message: string, code: DeadLetterCode = "VALIDATION_ERROR"): Reading => ({
  kind: "dead",
  code,
  message,
});

/** Reads a message of a topic, as it stands on Kafka. An empty one is a tombstone. */
export function readMessage(topic: string, text: string | null): Reading {
  if (text === null) return skip;
  try {
    return readEvent(topic, JSON.parse(text));
  } catch {
    return dead("The message is not JSON", "INVALID_JSON");
  }
}

/** Reads an event in either envelope: today's, with `data`, or the older one, with `payload`. */
export function readEvent(topic: string, envelope: unknown): Reading {
  if (!isObject(envelope)) return dead("The message is no JSON object", "INVALID_JSON");
  const { eventType } = envelope;
  if (typeof eventType !== "string" || eventType === "") return dead("eventType is missing");
  if (!isConsumed(eventType) || CONSUMED[eventType].topic !== topic) return skip;

  const data = isObject(envelope.data) ? envelope.data : envelope.payload;
  if (!isObject(data)) return dead("data is missing");
  const userId = envelope.userId ?? data.userId;
  if (typeof userId !== "string" || !UUID.test(userId)) return dead("userId must be a UUID");
  const amount = amountOf(eventType, data);
  if (amount === undefined) return dead(`${AMOUNT[eventType]} must be an integer from 0 to 2^53-1`);
  const key = keyOf(topic, eventType, envelope, data);
  if (key === undefined) return dead(`eventId or ${SUBJECT[eventType]} must be a text or a number`);
  const event = { key, topic, userId: userId.toLowerCase(), eventType, amount, ...origin(envelope) };
  return { kind: "event", event };
}

/** What the events that follow from this one say of it. */
function origin({ eventId, metadata }: Fields): Pick<CountedEvent, "causationId" | "correlationId"> {
  const correlationId = isObject(metadata) ? asText(metadata.correlationId) : undefined;
  return { causationId: asText(eventId) || undefined, correlationId: correlationId || undefined };
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isConsumed = (eventType: string): eventType is ConsumedEventType => Object.hasOwn(CONSUMED, eventType);

/** The field that says how much, for the types that add an amount. */
const AMOUNT: Record<ConsumedEventType, string | undefined> = {
  "interview.created": undefined,
  "interview.completed": "completedCandidates",
  "media.uploaded": "fileSize",
  "media.deleted": "fileSize",
};

/** The field that says what the event is about: the event's key where it has no id. */
const SUBJECT: Record<ConsumedEventType, string> = {
  "interview.created": "interviewId",
  "interview.completed": "interviewId",
  "media.uploaded": "fileId",
  "media.deleted": "fileId",
};

/** 0 for a type without an amount; undefined for an amount that does not fit. */
function amountOf(eventType: ConsumedEventType, data: Fields): number | undefined {
  const field = AMOUNT[eventType];
  if (field === undefined) return 0;
  const amount = data[field];
  return typeof amount === "number" && Number.isSafeInteger(amount) && amount >= 0 ? amount : undefined;
}

const MAX_KEY = 255; // processed_events.event_id

/**
 * The event's identity, `<topic>:<id>`: ids are unique per topic only. One without an id is known by its type and what it
 * is about. An id too long for the column is known by its SHA-256. Undefined where there is nothing to know it by.
 */
function keyOf(
  topic: string,
  eventType: ConsumedEventType,
  envelope: Fields,
  data: Fields,
): string | undefined {
  const eventId = asText(envelope.eventId);
  const subject = asText(data[SUBJECT[eventType]]);
  if (eventId === undefined || subject === undefined) return undefined;
  const id = eventId || (subject && `${eventType}:${subject}`);
  if (!id) return undefined;
  const key = `${topic}:${id}`;
  return key.length <= MAX_KEY ? key : `${topic}:${createHash("sha256").update(id).digest("hex")}`;
}

/** A text or a number as text, "" where there is none, undefined where it is anything else. */
function asText(value: unknown): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  return typeof value === "string" && isStorable(value) ? value : undefined;
}
