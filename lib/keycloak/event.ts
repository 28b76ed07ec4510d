import { createHash } from "node:crypto";
import type { Hint } from "../../services/identities/identities.mirror.contract.ts";
import { isStorable } from "../contract/fields.ts";

/**
 * Reads what listeners publish of Keycloak's events, and what its admin API returns of them: pure. Listeners write the
 * fields of Keycloak's own classes, some with others beside them, some in an object of their own.
 */

export type EventReading =
  | { kind: "hint"; hint: Hint }
  | { kind: "skip" }
  | { kind: "dead"; message: string };

type Fields = Record<string, unknown>;

/** What the types of user events say of the user. Others, such as LOGIN_ERROR, say nothing that is mirrored. */
const USER_EVENTS: Record<string, Hint["kind"]> = {
  LOGIN: "signed-in",
  REGISTER: "changed",
  UPDATE_PROFILE: "changed",
  UPDATE_EMAIL: "changed",
  VERIFY_EMAIL: "changed",
  IDENTITY_PROVIDER_FIRST_LOGIN: "changed",
  USER_DISABLED_BY_PERMANENT_LOCKOUT: "changed",
  DELETE_ACCOUNT: "deleted",
};

/** The types of user events, besides a sign-in, that change what is mirrored. */
export const CHANGING_EVENTS = Object.keys(USER_EVENTS).filter((type) => USER_EVENTS[type] !== "signed-in");

/** The event of the authentication service. */
const AUTHENTICATED = "user.authenticated";

const skip: EventReading = { kind: "skip" };

/** @param json a message, as it was parsed */
export function readKeycloakEvent(json: unknown): EventReading {
  if (!isObject(json)) return { kind: "dead", message: "The message is no JSON object" };
  if (json.eventType === AUTHENTICATED) return readAuthenticated(json);
  const event = [json, json.event, json.adminEvent, json.payload, json.data].filter(isObject).find(isEvent);
  if (event) return typeof event.resourcePath === "string" ? readAdminEvent(event) : readUserEvent(event);
  return typeof json.eventType === "string" ? skip : { kind: "dead", message: "type is missing" };
}

const isEvent = ({ type, resourcePath }: Fields): boolean =>
  typeof type === "string" || typeof resourcePath === "string";

function readUserEvent(event: Fields): EventReading {
  const type = String(event.type).replace(/^access\./, "");
  const kind = Object.hasOwn(USER_EVENTS, type) && !event.error ? USER_EVENTS[type] : undefined;
  return kind ? hintOf(kind, event, event.userId) : skip;
}

/** An event of an administrator is about a user if its path is that of a user, and of nothing below. */
function readAdminEvent(event: Fields): EventReading {
  const [, userId] = /^users\/([^/]+)$/.exec(String(event.resourcePath)) ?? [];
  const isFailed = Boolean(event.error) || event.operationType === "ACTION";
  if (event.resourceType !== "USER" || userId === undefined || isFailed) return skip;
  return hintOf(event.operationType === "DELETE" ? "deleted" : "changed", event, userId);
}

/** In either envelope of our events. */
function readAuthenticated(envelope: Fields): EventReading {
  const { eventId, timestamp, userId } = envelope;
  const data = [envelope.data, envelope.payload].find(isObject) ?? {};
  const keycloakId = data.keycloakId ?? data.sub ?? data.userId ?? userId;
  return hintOf("signed-in", { id: eventId, time: data.timestamp ?? timestamp }, keycloakId);
}

const MAX_ID = 255; // characters

function hintOf(kind: Hint["kind"], event: Fields, keycloakId: unknown): EventReading {
  if (!isId(keycloakId)) return { kind: "dead", message: "userId must be a text" };
  const eventId = [event.id, event.uid, event.eventId].find(isId);
  const at = timeOf(event.time ?? event.timestamp);
  const identity = eventId ?? createHash("sha256").update(`${kind}:${keycloakId}:${at}`).digest("hex");
  return { kind: "hint", hint: { key: `keycloak:${identity}`, kind, keycloakId, eventId, at } };
}

/** The id of a user from another directory contains the user's name there: any text that can be stored. */
const isId = (value: unknown): value is string =>
  typeof value === "string" && value.trim() !== "" && value.length <= MAX_ID && isStorable(value);

/** A time in ms or in ISO 8601, as ISO 8601; not one that PostgreSQL cannot read. */
function timeOf(value: unknown): string | undefined {
  if (typeof value !== "number" && typeof value !== "string") return undefined;
  const time = new Date(value);
  const text = Number.isNaN(time.getTime()) ? "" : time.toISOString();
  return /^[1-9]\d{3}-/.test(text) ? text : undefined;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
