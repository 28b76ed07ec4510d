import { ReservationEnded } from "../../lib/contract/errors.ts";
import { RESOURCES, type Resource } from "../../lib/contract/resource.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { CountedEvent, Counter } from "./stats.contract.ts";

/** The sum of many events: exact, also beyond 2^53. */
export type Totals = Record<Counter, bigint>;

/** `committed` by a call, `counted` by an event. */
const RESERVATION_STATES = ["open", "expired", "committed", "counted", "released"] as const;
type ReservationState = (typeof RESERVATION_STATES)[number];

export type Reservation = {
  id: string;
  userId: string;
  resource: Resource;
  /** Interviews, or bytes. */
  amount: number;
  expiresAt: Date;
  state: ReservationState;
};

/** What a call has added to a counter before the event that adds it too. */
export type CountedAhead = Pick<Reservation, "userId" | "resource" | "amount">;

/** The counter that a quota limits. */
export const COUNTER = { interviews: "interviewsCreated", storage: "storageUsed" } as const satisfies Record<
  Resource,
  Counter
>;

/**
 * Adds up the effects of events by user, so that each row is written once.
 * @param ahead what calls have counted before these events: it is subtracted, so that it counts once
 */
export function sumByUser(events: CountedEvent[], ahead: CountedAhead[] = []): Map<string, Totals> {
  const sums = new Map<string, Totals>();
  for (const event of events) {
    const sum = sums.get(event.userId) ?? {
      interviewsCreated: 0n,
      interviewsActive: 0n,
      candidatesTotal: 0n,
      storageUsed: 0n,
    };
    for (const [counter, n] of Object.entries(event.add)) sum[counter as Counter] += BigInt(n);
    sums.set(event.userId, sum);
  }
  for (const { userId, resource, amount } of ahead) {
    const sum = sums.get(userId);
    if (sum) sum[COUNTER[resource]] -= BigInt(amount);
  }
  return sums;
}

/** New limits; omitted ones stay, null is unlimited. Undefined if nothing changes. */
export function setQuotas(
  user: UserRow,
  {
    maxInterviews = user.maxInterviews,
    maxStorage = user.maxStorage,
  }: { maxInterviews?: number | null; maxStorage?: number | null },
): Change | undefined {
  const changed = maxInterviews !== user.maxInterviews || maxStorage !== user.maxStorage;
  return changed ? { set: { maxInterviews, maxStorage } } : undefined;
}

/**
 * Whether a call has to end a reservation: false if it is a repeat.
 * @throws ReservationEnded if the reservation ended in another way
 */
export function mustEnd({ id, state }: Reservation, end: "committed" | "released"): boolean {
  if (state === "open") return true;
  const ended = state === "counted" ? "committed" : state;
  if (ended === end) return false;
  throw new ReservationEnded(id, ended);
}

export type ReservationCount = { resource: Resource; state: ReservationState; count: number };

/** The samples of the metric: one per resource and state, 0 if there are none. */
export const toSamples = (counts: ReservationCount[]) =>
  RESOURCES.flatMap((resource) =>
    RESERVATION_STATES.map((state) => ({
      labels: { resource, state },
      value: counts.find((one) => one.resource === resource && one.state === state)?.count ?? 0,
    })),
  );
