import type { Resource } from "../lib/contract/resource.ts";
import type { DomainEvent } from "../services/contracts.ts";

/** The thresholds, in percent, at which an event is published; the last one is `exceeded` (contract 7). */
const MARKS = [85, 90, 95, 100];

/** Use in percent, rounded down; with a limit of 0 it is 100. Exact for any two safe integers. */
export function percentUsed(used: number, limit: number): number {
  if (limit === 0) return 100;
  return Number((BigInt(Math.max(0, used)) * 100n) / BigInt(limit));
}

const highestMark = (percent: number) => MARKS.findLast((mark) => percent >= mark) ?? 0;

/** A user's use and limits; storage in bytes. A limit of null is unlimited. */
type Usage = {
  id: string;
  interviewsCreated: number;
  maxInterviews: number | null;
  storageUsed: number;
  maxStorage: number | null;
};

/**
 * The events of a change of use or limit: one per resource that crosses a threshold from below, for the highest one
 * crossed. Only the values before and after count, so no state is kept.
 */
export function quotaEvents(before: Usage, after: Usage): DomainEvent[] {
  return [
    ...reached(
      after.id,
      "interviews",
      [before.interviewsCreated, before.maxInterviews],
      [after.interviewsCreated, after.maxInterviews],
    ),
    ...reached(
      after.id,
      "storage",
      [before.storageUsed, before.maxStorage],
      [after.storageUsed, after.maxStorage],
    ),
  ];
}

function reached(
  userId: string,
  resource: Resource,
  [usedBefore, limitBefore]: [used: number, limit: number | null],
  [used, limit]: [used: number, limit: number | null],
): DomainEvent[] {
  if (limit === null) return [];
  const percent = percentUsed(used, limit);
  const mark = highestMark(percent);
  const markBefore = limitBefore === null ? 0 : highestMark(percentUsed(usedBefore, limitBefore));
  if (mark <= markBefore) return [];
  const eventType = mark === 100 ? "user.quota_exceeded" : "user.quota_warning";
  return [{ eventType, userId, data: { resource, used: Math.max(0, used), limit, percent } }];
}
