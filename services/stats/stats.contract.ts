import { action } from "../../lib/contract/action.ts";
import { QuotaExceeded, ReservationEnded, ReservationNotFound } from "../../lib/contract/errors.ts";
import {
  anyText,
  count,
  described,
  type Field,
  flag,
  type Infer,
  ifVersion,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  time,
  uuid,
  versioned,
  withDefault,
} from "../../lib/contract/fields.ts";
import { RESOURCES, type Resource } from "../../lib/contract/resource.ts";

/** Counters and quotas (contract 1, 2, 7, 12 and 26). */

export * from "./stats.events.ts";

const id = uuid();
const ada = { id: "7c9e6679-7425-40de-944b-e07fc1f90ae7" };

export type Counter = "interviewsCreated" | "interviewsActive" | "candidatesTotal" | "storageUsed";
/** What is added to the counters. */
export type CounterChanges = Partial<Record<Counter, number>>;

/** A consumed event as `stats.apply` takes it: `key` is its identity in processed_events. */
export type CountedEvent = {
  key: string;
  topic: string;
  userId: string;
  eventType: string;
  add: CounterChanges;
  /** The reservation that it uses up, if it exists. */
  reservation?: { id: string; resource: Resource };
  /** The event's own id and correlation, for the events that follow from it. */
  causationId?: string;
  correlationId?: string;
  /** The span in which it was read, if it came with a trace. */
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

const limit = () => described("Null is unlimited", nullable(count()));
const Quota = object({
  used: count(),
  limit: limit(),
  reserved: described("By reservations that are open", count()),
  remaining: described(
    "`limit` less `used` less `reserved`, at least 0; null if unlimited",
    nullable(count()),
  ),
  exceeded: flag(),
});
/** Reservations change without a change of the user, so the ETag includes them. */
export const Quotas = versioned(
  object({ interviews: Quota, storage: Quota }, "Quotas"),
  ({ interviews, storage }) =>
    interviews.reserved || storage.reserved ? `.${interviews.reserved}.${storage.reserved}` : "",
);
export type Quota = Infer<typeof Quota>;
export type Quotas = Infer<typeof Quotas>;

const amount = integer(1, Number.MAX_SAFE_INTEGER);
export const Reservation = object(
  {
    reservationId: uuid(),
    userId: uuid(),
    resource: oneOf(RESOURCES),
    amount: described("Interviews, or bytes", amount),
    expiresAt: time(),
    remaining: described("What remains of the quota; null if it is unlimited", nullable(count())),
  },
  "Reservation",
);
export type Reservation = Infer<typeof Reservation>;

const Released = object({ message: anyText() }, "Message");

const zero = {
  interviewsCreated: 0,
  interviewsActive: 0,
  candidatesTotal: 0,
  storageUsed: 0,
  storageUsedFormatted: "0 B",
};
const interviews = { used: 0, limit: 10, reserved: 0, remaining: 10, exceeded: false };
const storage = { used: 0, limit: 5_368_709_120, reserved: 0, remaining: 5_368_709_120, exceeded: false };
const reservation: Reservation = {
  reservationId: "0191d2f0-6f2b-4c39-9a53-8e5f0f8f6b1d",
  userId: ada.id,
  resource: "interviews",
  amount: 1,
  expiresAt: "2025-10-06T10:00:00.000Z",
  remaining: 9,
};
const { reservationId } = reservation;

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
  /** For the export of a user, deleted or not. */
  getAny: action({
    access: "person",
    visibility: "public",
    params: { id },
    result: object({ stats: Stats, quotas: Quotas }),
    summary: "Get the counters and the quotas of a user, also of a deleted one",
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
      maxInterviews: described("Null is unlimited", optional(nullable(integer(0, 2 ** 31 - 1)))),
      maxStorage: described("Bytes; null is unlimited", optional(nullable(count()))),
    },
    result: Quotas,
    operationId: "setQuotas",
    summary: "Change a user's quotas",
    example: {
      params: { ...ada, maxInterviews: 25 },
      result: { interviews: { ...interviews, limit: 25, remaining: 25 }, storage },
    },
  }),
  reserve: action({
    rest: "POST /users/:id/quota/reservations",
    status: 201,
    location: "/users/:userId/quota/reservations/:reservationId",
    access: "internal",
    idempotent: true,
    logAs: "quota_reserve",
    params: {
      id,
      resource: oneOf(RESOURCES),
      amount: described("Interviews, or bytes", withDefault(amount, 1)),
      ttl: described("Seconds until it expires", withDefault(integer(1, 86_400), 900)),
    },
    result: Reservation,
    operationId: "reserveQuota",
    summary: "Reserve a part of a quota, if as much remains",
    errors: [new QuotaExceeded("interviews", 1, 0)],
    example: { params: { ...ada, resource: "interviews" }, result: reservation },
  }),
  commit: action({
    rest: "POST /users/:id/quota/reservations/:reservationId/commit",
    access: "internal",
    logAs: "quota_commit",
    params: { id, reservationId: uuid() },
    result: Reservation,
    operationId: "commitReservation",
    summary: "Add a reservation to the use of its quota, and end it; may be repeated",
    errors: [
      new ReservationNotFound(reservationId),
      new ReservationEnded(reservationId, "released"),
      new ReservationEnded(reservationId, "expired"),
    ],
    example: { params: { ...ada, reservationId }, result: reservation },
  }),
  release: action({
    rest: "DELETE /users/:id/quota/reservations/:reservationId",
    access: "internal",
    logAs: "quota_release",
    params: { id, reservationId: uuid() },
    result: Released,
    operationId: "releaseReservation",
    summary: "End a reservation without using it; may be repeated",
    errors: [
      new ReservationNotFound(reservationId),
      new ReservationEnded(reservationId, "committed"),
      new ReservationEnded(reservationId, "expired"),
    ],
    example: { params: { ...ada, reservationId }, result: { message: "Reservation released successfully" } },
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
