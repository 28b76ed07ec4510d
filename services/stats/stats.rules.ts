import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { CountedEvent, Counter } from "./stats.contract.ts";

/** What many events add: exact, also beyond 2^53. */
export type Totals = Record<Counter, bigint>;

/** Adds up what the events add, by user, so that each row is written once. */
export function sumByUser(events: CountedEvent[]): Map<string, Totals> {
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
  return sums;
}

/** New limits; omitted ones stay. Undefined if nothing changes. */
export function setQuotas(
  user: UserRow,
  {
    maxInterviews = user.maxInterviews,
    maxStorage = user.maxStorage,
  }: { maxInterviews?: number; maxStorage?: number },
): Change | undefined {
  const changed = maxInterviews !== user.maxInterviews || maxStorage !== user.maxStorage;
  return changed ? { set: { maxInterviews, maxStorage } } : undefined;
}
