import type { EventContract } from "../../lib/contract/events.ts";
import { count, type Field, type Fields, type InferAll } from "../../lib/contract/fields.ts";

/** The events that are consumed (contract 7). */

/** What an event adds to which counter of its user. */
export type CounterChanges = Partial<
  Record<"interviewsCreated" | "interviewsActive" | "candidatesTotal" | "storageUsed", number>
>;

export type ConsumedContract<Data extends Fields = Fields> = EventContract<Data> & {
  topic: "interview-events" | "media-events";
  /** The field of the data that says what the event is about: its identity if it has no eventId. */
  subject: keyof Data & string;
  effect(data: InferAll<Data>): CounterChanges;
};

/** Declares a consumed event. `effect` is a method, so that contracts of different data fit into one table. */
const consumed = <Data extends Fields>(contract: ConsumedContract<Data>): ConsumedContract<Data> => contract;

/** Neighbours name things by texts or by numbers. */
const id = (): Field<string | number> => ({ type: "any", schema: { type: ["string", "integer"] } });

export const CONSUMED = {
  "interview.created": consumed({
    topic: "interview-events",
    subject: "interviewId",
    summary: "One more interview, and one more active",
    data: { interviewId: id() },
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
    data: { fileId: id(), fileSize: count() },
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

export type ConsumedEventType = keyof typeof CONSUMED;
export type ConsumedEvents = { [Type in ConsumedEventType]: InferAll<(typeof CONSUMED)[Type]["data"]> };

export const CONSUMED_TOPICS = [...new Set(Object.values(CONSUMED).map(({ topic }) => topic))];

/** A consumed event as `stats.apply` takes it: `key` is its identity in processed_events. */
export type CountedEvent = {
  key: string;
  topic: string;
  userId: string;
  eventType: ConsumedEventType;
  /** fileSize in bytes, or completedCandidates; 0 for an event that carries no amount */
  amount: number;
  /** The event's own id and correlation, for the events that follow from it. */
  causationId?: string;
  correlationId?: string;
  /** The span in which it was read, if it came with a trace of its own. */
  traceparent?: string;
};
export type Outcome = "applied" | "duplicate" | "deleted-user" | "unknown-user";
