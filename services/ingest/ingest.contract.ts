import type { EventContract } from "../../lib/contract/events.ts";
import { count, type Field, type Fields, type InferAll, UUID } from "../../lib/contract/fields.ts";
import type { Resource } from "../../lib/contract/resource.ts";
import type { CounterChanges } from "../stats/stats.contract.ts";
import { receipt } from "../users/users.erasure.contract.ts";

/** The consumed events (contract 7): everything about an event is derived from its entry in CONSUMED. */

type ConsumedContract<Data extends Fields = Fields> = EventContract<Data> & {
  topic: "interview-events" | "media-events";
  /** The field of the data that identifies the event's subject: its identity if it has no eventId. */
  subject: keyof Data & string;
  /** The quota that it uses, if its `reservationId` may end a reservation of that quota (contract 26). */
  resource?: Resource;
  /** What it adds to the counters of its user. */
  effect(data: InferAll<Data>): CounterChanges;
};

/** Declares a consumed event. `effect` is a method, so that contracts of different data fit into one table. */
const consumed = <Data extends Fields>(contract: ConsumedContract<Data>): ConsumedContract<Data> => contract;

/** Other services use texts or numbers as ids. */
const id = (): Field<string | number> => ({ type: "any", schema: { type: ["string", "integer"] } });

/**
 * The reservation that an event uses up (contract 26). A value that is not a UUID is ignored, and the event still
 * counts.
 */
const reservationId: Field<string | undefined> = {
  type: "any",
  optional: true,
  schema: {
    type: "string",
    format: "uuid",
    description: "The reservation of a quota that the event uses up",
  },
  custom: (value: unknown) =>
    typeof value === "string" && UUID.test(value) ? value.toLowerCase() : undefined,
};

export const CONSUMED = {
  "interview.created": consumed({
    topic: "interview-events",
    subject: "interviewId",
    summary: "One more interview, and one more active",
    data: { interviewId: id(), reservationId },
    resource: "interviews",
    effect: () => ({ interviewsCreated: 1, interviewsActive: 1 }),
    example: { interviewId: "interview-1" },
  }),
  "interview.completed": consumed({
    topic: "interview-events",
    subject: "interviewId",
    summary: "One active interview less, and its candidates are added",
    data: { interviewId: id(), completedCandidates: count() },
    effect: ({ completedCandidates }) => ({ interviewsActive: -1, candidatesTotal: completedCandidates }),
    example: { interviewId: "interview-1", completedCandidates: 3 },
  }),
  "media.uploaded": consumed({
    topic: "media-events",
    subject: "fileId",
    summary: "Storage grows by the file",
    data: { fileId: id(), fileSize: count(), reservationId },
    resource: "storage",
    effect: ({ fileSize }) => ({ storageUsed: fileSize }),
    example: { fileId: "file-1", fileSize: 1_048_576 },
  }),
  "media.deleted": consumed({
    topic: "media-events",
    subject: "fileId",
    summary: "Storage shrinks by the file",
    data: { fileId: id(), fileSize: count() },
    effect: ({ fileSize }) => ({ storageUsed: -fileSize }),
    example: { fileId: "file-1", fileSize: 1_048_576 },
  }),
};

/** The same, by any type that a message may have. */
export const CONSUMED_BY_TYPE: Record<string, ConsumedContract> = CONSUMED;

export type ConsumedEventType = keyof typeof CONSUMED;

export const CONSUMED_TOPICS = [...new Set(Object.values(CONSUMED).map(({ topic }) => topic))];

/** All topics that are consumed: these, and the configured ones with Keycloak's events (contract 27). */
export const consumedTopics = (keycloakTopics: string[]): string[] => [
  ...new Set([...CONSUMED_TOPICS, ...keycloakTopics]),
];

/**
 * The answer of another service to `user.erased` (contract 25): on any consumed topic, for a user who is deleted, and
 * without an effect on counters. So it is not in CONSUMED.
 */
export const RECEIPT = {
  type: "erasure.completed" as const,
  summary: "Another service has erased its data of a person",
  data: receipt,
  example: { erasureId: "0191d2f0-6f2b-4c39-9a53-8e5f0f8f6b1d", service: "interview-service" },
};

/** All consumed events, also the one that is not counted, for the documents and the package of types. */
export const CONSUMED_EVENTS = { ...CONSUMED, [RECEIPT.type]: RECEIPT };
