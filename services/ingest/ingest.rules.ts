import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { FieldError } from "../../lib/contract/failures.ts";
import { isStorable, UUID } from "../../lib/contract/fields.ts";
import { toParams } from "../../lib/contract/params.ts";
import type { Resource } from "../../lib/contract/resource.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { MAX_VALUE } from "../../lib/kafka/cut-records.ts";
import { readKeycloakEvent } from "../../lib/keycloak/event.ts";
import type { Hint } from "../identities/identities.contract.ts";
import type { CountedEvent } from "../stats/stats.contract.ts";
import type { Receipt } from "../users/users.contract.ts";
import type { DeadLetterCode } from "./dead-letter.ts";
import { CONSUMED_BY_TYPE, RECEIPT } from "./ingest.contract.ts";

/** Reads a consumed message (contract 7, "Consumed"): pure, from its bytes to the event to count. */

export type Reading =
  | { kind: "event"; event: CountedEvent }
  | { kind: "receipt"; receipt: Receipt }
  | { kind: "hint"; hint: Hint }
  | { kind: "skip" }
  | { kind: "dead"; code: DeadLetterCode; message: string };

type Fields = Record<string, unknown>;

/** Validates each type's data. `keyOf` checks the subject, because an event with an id needs none. */
const CHECKS = new Map(
  Object.entries(CONSUMED_BY_TYPE).map(([eventType, { data, subject }]) => {
    const { [subject]: _subject, ...others } = data;
    return [eventType, compileCheck({ ...toParams(others), $$strict: false })];
  }),
);

const skip: Reading = { kind: "skip" };
const dead = (message: string, code: DeadLetterCode = "VALIDATION_ERROR"): Reading => ({
  kind: "dead",
  code,
  message,
});

/**
 * Reads a message of a topic. A null value is a tombstone.
 * @param value JSON in UTF-8, with or without a byte order mark
 * @param keycloakTopics the topics with Keycloak's events
 */
export function readMessage(topic: string, value: Buffer | null, keycloakTopics: string[] = []): Reading {
  if (value === null) return skip;
  if (value.length > MAX_VALUE) return dead("The message is larger than 1 MiB");
  if (!isUtf8(value)) return dead("The message is not valid UTF-8", "INVALID_JSON");
  let envelope: unknown;
  try {
    envelope = parseJson(value.toString().replace(/^\ufeff/, ""));
  } catch {
    return dead("The message is not JSON", "INVALID_JSON");
  }
  return keycloakTopics.includes(topic) ? readHint(envelope) : readEvent(topic, envelope);
}

/** An event of Keycloak is a hint that a user may have changed there (contract 27). */
function readHint(envelope: unknown): Reading {
  const read = readKeycloakEvent(envelope);
  return read.kind === "dead" ? dead(read.message) : read;
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * Parses JSON. Integers above 2^53 become a BigInt with all their digits, because ids of 64 bits must stay distinct.
 */
function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  try {
    return parseWith(text, (_key, value, { source = "" }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
        ? BigInt(source)
        : value,
    );
  } catch (error) {
    if (error instanceof RangeError) return JSON.parse(text); // a reviver is recursive: too deep for the stack
    throw error;
  }
}

/**
 * The message of a natively emitted event: the envelope, or only the data with its userId. The event's name is the
 * eventType if the envelope has none. Params that cannot be written as JSON are described, so that they become a dead
 * letter.
 */
export function nativeMessage(eventName: string, params: unknown): Buffer {
  try {
    return Buffer.from(JSON.stringify(envelopeOf(eventName, params), integersAsText) ?? "undefined");
  } catch {
    return Buffer.from(`${eventName}: its params cannot be written as JSON`);
  }
}

function envelopeOf(eventName: string, params: unknown): unknown {
  if (!isObject(params)) return params;
  const eventType = params.eventType ?? eventName;
  if (isObject(params.data) || isObject(params.payload)) return { ...params, eventType };
  const { userId, eventId, metadata, ...data } = params;
  return { eventType, userId, eventId, metadata, data };
}

/** A safe BigInt becomes a number, a larger one a text: an id is the same in both forms. */
function integersAsText(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** Reads an event in either envelope: the current one with `data`, or the older one with `payload`. */
export function readEvent(topic: string, envelope: unknown): Reading {
  if (!isObject(envelope)) return dead("The message is no JSON object", "INVALID_JSON");
  const { eventType } = envelope;
  if (typeof eventType !== "string" || eventType === "") return dead("eventType is missing");
  if (eventType === RECEIPT.type) return readReceipt(envelope);
  const contract = Object.hasOwn(CONSUMED_BY_TYPE, eventType) ? CONSUMED_BY_TYPE[eventType] : undefined;
  if (contract?.topic !== topic) return skip;

  const data = isObject(envelope.data) ? envelope.data : envelope.payload;
  if (!isObject(data)) return dead("data is missing");
  const userId = envelope.userId ?? data.userId;
  if (typeof userId !== "string" || !UUID.test(userId)) return dead("userId must be a UUID");
  const faults = CHECKS.get(eventType)?.(data) ?? [];
  if (faults.length > 0) return dead(describe(faults));
  const key = keyOf(topic, eventType, envelope.eventId, data[contract.subject]);
  if (key === undefined) return dead(`eventId or ${contract.subject} must be a text or a number`);
  const add = contract.effect(data);
  const named = reservationOf(contract.resource, data.reservationId);
  const event = { key, topic, userId: userId.toLowerCase(), eventType, add, ...named, ...origin(envelope) };
  return { kind: "event", event };
}

const checkReceipt = compileCheck({ ...toParams(RECEIPT.data), $$strict: false });

/** In either envelope. Its `userId` and `eventId` are not needed: a service answers an erasure once. */
function readReceipt({ data, payload }: Fields): Reading {
  const given = { ...(isObject(data) ? data : isObject(payload) ? payload : {}) };
  const faults = checkReceipt(given);
  if (faults.length > 0) return dead(describe(faults));
  const { erasureId, service } = given as Receipt;
  return { kind: "receipt", receipt: { erasureId, service } };
}

const describe = (faults: FieldError[]) =>
  faults.map(({ field, message }) => `${field} ${message}`).join("; ");

const reservationOf = (
  resource: Resource | undefined,
  id: unknown,
): Pick<CountedEvent, "reservation"> | undefined =>
  resource && typeof id === "string" ? { reservation: { id, resource } } : undefined;

/** The cause of the events that follow from this one. An id that is too long is left out. */
function origin({ eventId, metadata }: Fields): Pick<CountedEvent, "causationId" | "correlationId"> {
  const carried = (id: unknown) => {
    const text = asText(id);
    return text && text.length <= MAX_CARRIED ? text : undefined;
  };
  return {
    causationId: carried(eventId),
    correlationId: isObject(metadata) ? carried(metadata.correlationId) : undefined,
  };
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const MAX_KEY = 255; // characters of processed_events.event_id
const MAX_CARRIED = 1_000; // characters of an id that is passed on

/**
 * The event's identity, `<topic>:<id>`: ids are unique per topic only. Without an id it is the type and the subject. An
 * id that is too long for the column is replaced by its SHA-256. Undefined if there is neither id nor subject.
 */
function keyOf(topic: string, eventType: string, id: unknown, about: unknown): string | undefined {
  const eventId = asText(id);
  const subject = asText(about);
  if (eventId === undefined || subject === undefined) return undefined;
  const identity = eventId || (subject && `${eventType}:${subject}`);
  if (!identity) return undefined;
  const key = `${topic}:${identity}`;
  return key.length <= MAX_KEY ? key : `${topic}:${createHash("sha256").update(identity).digest("hex")}`;
}

/** A text or a number as text, "" if it is missing, undefined if it is anything else. */
function asText(value: unknown): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return typeof value === "string" && isStorable(value) ? value : undefined;
}
