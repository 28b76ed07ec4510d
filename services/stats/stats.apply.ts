import type { Cause } from "../../lib/contract/events.ts";
import { observeStorage } from "../../lib/runtime/metrics.ts";
import { transaction } from "../../models/database.ts";
import { enqueue, toRecord, wakeRelay } from "../../models/outbox.ts";
import { quotaEvents } from "../../models/quota.rules.ts";
import { forgetUsers } from "../../models/user-row.ts";
import type { CountedEvent, Outcome } from "./stats.contract.ts";
import { countReservations } from "./stats.reservations.ts";
import { sumByUser } from "./stats.rules.ts";
import { addToCounters, insertProcessed, lockFreeUsers, lockUsers } from "./stats.store.ts";

/**
 * Counts a batch of events, each exactly once: recording an event as processed and adding it to the counters commit
 * together, with the end of the reservation that it names and the events of quotas that were reached. Returns the
 * outcome of each event, in their order.
 * An unknown user's event is not recorded: it may be retried when the user exists.
 * The events of users whose rows somebody has locked are counted after those of all others.
 * @throws DependencyUnavailable: it is unknown which events were counted; safe to repeat
 */
export async function applyEvents(events: CountedEvent[], cause: Cause): Promise<Outcome[]> {
  const outcomes = await applyTo(lockFreeUsers, events, cause);
  const left = events.filter((_, index) => outcomes[index] === "unknown-user"); // or the user's row is locked
  if (left.length === 0) return outcomes;
  const later = await applyTo(lockUsers, left, cause);
  const outcomeOf = new Map(left.map((event, index) => [event, later[index]]));
  return events.map((event, index) => outcomeOf.get(event) ?? (outcomes[index] as Outcome));
}

/** Counts the events of the users that `lock` finds; the others are unknown. */
async function applyTo(lock: typeof lockUsers, events: CountedEvent[], cause: Cause): Promise<Outcome[]> {
  const ids = [...new Set(events.map(({ userId }) => userId))];
  try {
    const { changed, outcomes } = await transaction(async (tx) => {
      const users = await lock(tx, ids);
      const live = events.filter(({ userId }) => users.get(userId)?.deletedAt === null);
      const fresh = await insertProcessed(tx, live);
      const counted = live.filter(({ key }) => fresh.delete(key)); // a key twice in one batch counts once
      const ahead = await countReservations(tx, counted);
      const changed = await addToCounters(tx, sumByUser(counted, ahead));
      const causes = new Map(counted.map((event) => [event.userId, causeOfEvent(event, cause)]));
      const reached = changed.flatMap((row) =>
        quotaEvents(users.get(row.id) ?? row, row).map((event) =>
          toRecord(event, causes.get(row.id) ?? cause),
        ),
      );
      await enqueue(tx, reached);
      const applied = new Set(counted);
      const outcomes = events.map((event): Outcome => {
        const user = users.get(event.userId);
        if (!user) return "unknown-user";
        if (user.deletedAt) return "deleted-user";
        return applied.has(event) ? "applied" : "duplicate";
      });
      return { changed, outcomes };
    });
    for (const { id, storageUsed } of changed) observeStorage(id, storageUsed);
    wakeRelay();
    return outcomes;
  } finally {
    forgetUsers(ids);
  }
}

/** The cause of a quota event that several events of a batch reach together is the last of them. */
const causeOfEvent = ({ correlationId, causationId, traceparent }: CountedEvent, call: Cause): Cause => ({
  correlationId: correlationId ?? call.correlationId,
  causationId,
  traceparent: traceparent ?? call.traceparent,
});
