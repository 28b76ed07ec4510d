import type { Change } from "../../models/change-user.ts";
import type { Counter, UserRow } from "../../models/user.ts";
import type { ConsumedEventType, CountedEvent } from "../ingest/ingest.contract.ts";

/** The amounts to add, by counter. */
export type Sums = Partial<Record<Counter, number>>;

/** What one consumed event does to its user's counters (contract 7); `amount` is its fileSize or completedCandidates. */
const EFFECT: Record<ConsumedEventType, (amount: number) => Sums> = {
  "interview.created": () => ({ interviewsCreated: 1, interviewsActive: 1 }),
  "interview.completed": (completedCandidates) => ({
    interviewsActive: -1,
    candidatesTotal: completedCandidates,
  }),
  "media.uploaded": (fileSize) => ({ storageUsed: fileSize }),
  "media.deleted": (fileSize) => ({ storageUsed: -fileSize }),
};

export const effectOf = ({ eventType, amount }: Pick<CountedEvent, "eventType" | "amount">): Sums =>
  EFFECT[eventType](amount);

/** The sum of many effects: exact, also beyond 2^53. */
export type Totals = Record<Counter, bigint>;

/** Adds up the events' effects by user, so that each row is written once. */
export function sumByUser(events: CountedEvent[]): Map<string, Totals> {
  const sums = new Map<string, Totals>();
  for (const event of events) {
    const sum = sums.get(event.userId) ?? {
      interviewsCreated: 0n,
      interviewsActive: 0n,
      candidatesTotal: 0n,
      storageUsed: 0n,
    };
    for (const [counter, n] of Object.entries(effectOf(event))) sum[counter as Counter] += BigInt(n);
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
