import { action } from "../../lib/contract/action.ts";
import { event } from "../../lib/contract/events.ts";
import {
  anyText,
  count,
  described,
  type Field,
  flag,
  type Infer,
  type InferAll,
  ifVersion,
  integer,
  object,
  oneOf,
  optional,
  uuid,
  versioned,
} from "../../lib/contract/fields.ts";

/** Counters and quotas (contract 1, 2, 7 and 12). */

const id = uuid();
const ada = { id: "7c9e6679-7425-40de-944b-e07fc1f90ae7" };

export type Counter = "interviewsCreated" | "interviewsActive" | "candidatesTotal" | "storageUsed";
/** What is added to which counter. */
export type CounterChanges = Partial<Record<Counter, number>>;

/** A consumed event as `stats.apply` takes it: `key` is its identity in processed_events. */
export type CountedEvent = {
  key: string;
  topic: string;
  userId: string;
  eventType: string;
  add: CounterChanges;
  /** The event's own id and correlation, for the events that follow from it. */
  causationId?: string;
  correlationId?: string;
  /** The span in which it was read, if it came with a trace of its own. */
  traceparent?: string;
};
export type Outcome = "applied" | "duplicate" | "deleted-user" | "unknown-user";

export const Stats = object(
  {
    interviewsCreated: count(),
    interviewsActive: count(),
    candidatesTotal: count(),
    storageUsed: described("Bytes", count()),
    storageUsedFormatted: described("For people, such as `1.5 GB`", anyText()),
  },
  "Stats",
);
export type Stats = Infer<typeof Stats>;

const Quota = object({ used: count(), limit: count(), remaining: count(), exceeded: flag() });
export const Quotas = versioned(object({ interviews: Quota, storage: Quota }, "Quotas"));
export type Quota = Infer<typeof Quota>;
export type Quotas = Infer<typeof Quotas>;

const zero = {
  interviewsCreated: 0,
  interviewsActive: 0,
  candidatesTotal: 0,
  storageUsed: 0,
  storageUsedFormatted: "0 B",
};
const interviews = { used: 0, limit: 10, remaining: 10, exceeded: false };
const storage = { used: 0, limit: 5_368_709_120, remaining: 5_368_709_120, exceeded: false };

export const actions = {
  get: action({
    rest: "GET /users/:id/stats",
    access: "owner",
    params: { id },
    result: Stats,
    operationId: "getStats",
    summary: "Get a user's counters",
    example: { params: ada, result: zero },
  }),
  incrementInterviews: action({
    rest: "POST /users/:id/stats/increment-interviews",
    access: "internal",
    idempotent: true,
    logAs: "stats_update",
    params: { id },
    result: Stats,
    operationId: "incrementInterviews",
    summary: "Count one more interview, like one `interview.created`",
    example: { params: ada, result: { ...zero, interviewsCreated: 1, interviewsActive: 1 } },
  }),
  getQuotas: action({
    rest: "GET /users/:id/quotas",
    access: "owner",
    params: { id },
    result: Quotas,
    operationId: "getQuotas",
    summary: "Get a user's quotas and their use",
    example: { params: ada, result: { interviews, storage } },
  }),
  setQuotas: action({
    rest: "PATCH /users/:id/quotas",
    access: "admin",
    logAs: "quotas_update",
    params: {
      id,
      ifVersion,
      maxInterviews: optional(integer(0, 2 ** 31 - 1)),
      maxStorage: optional(count()),
    },
    result: Quotas,
    operationId: "setQuotas",
    summary: "Change a user's quotas",
    example: {
      params: { ...ada, maxInterviews: 25 },
      result: { interviews: { ...interviews, limit: 25, remaining: 25 }, storage },
    },
  }),
  /** Counts consumed events, each exactly once, and returns the outcome of each. Safe to repeat, so it is retried. */
  apply: action({
    access: "internal",
    visibility: "public",
    logAs: "stats_update",
    params: { events: { type: "array", nullable: false } as Field<CountedEvent[]> },
    result: { type: "array" } as Field<Outcome[]>,
    summary: "Count consumed events",
    retryPolicy: {
      enabled: true,
      retries: 5,
      delay: 500,
      factor: 2,
      maxDelay: 8_000,
      check: (error: Error & { retryable?: boolean }) => error.retryable === true,
    },
  }),
};

const threshold = {
  resource: oneOf(["interviews", "storage"]),
  used: count(),
  limit: count(),
  percent: described("Rounded down; 100 for a limit of 0", count()),
};
export type QuotaReached = InferAll<typeof threshold>;

export const events = {
  "user.quota_warning": event({
    summary: "85, 90 or 95 % of a quota were reached",
    data: threshold,
    example: { resource: "interviews", used: 9, limit: 10, percent: 90 },
  }),
  "user.quota_exceeded": event({
    summary: "A quota is used up",
    data: threshold,
    example: { resource: "interviews", used: 10, limit: 10, percent: 100 },
  }),
};
