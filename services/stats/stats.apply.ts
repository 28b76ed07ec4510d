import type { CountedEvent, Outcome } from "../../lib/contract/contracts.ts";
import type { Cause } from "../../lib/contract/events.ts";
import { observeStorage } from "../../lib/runtime/metrics.ts";
import { transaction } from "../../models/database.ts";
import { enqueue, toRecord, wakeRelay } from "../../models/outbox.ts";
import { quotaEvents } from "../../models/quota.rules.ts";
import { forgetUsers } from "../../models/user-row.ts";
import { sumByUser } from "./stats.rules.ts";
import { addToCounters, insertProcessed, lockUsers } from "./stats.store.ts";

/**
 * Counts a batch of events, each exactly once: noting an event as processed and adding it to the counters commit
 * together, with the events of quotas that were reached. Returns the outcome of each event, in their order.
 * An unknown user's event is not noted: it may be tried again when the user is there.
 * @throws DependencyUnavailable: nothing was counted, or it can't be told; safe to repeat
 */
export async function applyEvents(events: CountedEvent[], cause: Cause): Promise<Outcome[]> {
  const ids = [...new Set(events.map(({ userId }) => userId))];
  try {
    const outcomes = await transaction(async (tx) => {
      const users = await lockUsers(tx, ids);
      const live = events.filter(({ userId }) => users.get(userId)?.deletedAt === null);
      const fresh = await insertProcessed(tx, live);
      const counted = live.filter(({ key }) => fresh.delete(key)); // a key twice in one batch counts once
      const changed = await addToCounters(tx, sumByUser(counted));
      const causes = new Map(counted.map((event) => [event.userId, causeOfEvent(event, cause)]));
      const reached = changed.flatMap((row) =>
        quotaEvents(users.get(row.id) ?? row, row).map((event) =>
          toRecord(event, causes.get(row.id) ?? cause),
        ),
      );
      await enqueue(tx, reached);
      for (const row of changed) observeStorage(row.id, row.storageUsed);

      const applied = new Set(counted);
      return events.map((event): Outcome => {
        const user = users.get(event.userId);
        if (!user) return "unknown-user";
        if (user.deletedAt) return "deleted-user";
        return applied.has(event) ? "applied" : "duplicate";
      });
    });
    wakeRelay();
    return outcomes;
  } finally {
    forgetUsers(ids);
  }
}

/** A mark that several events of a batch reach together is told as caused by the last of them. */
const causeOfEvent = ({ correlationId, causationId, traceparent }: CountedEvent, call: Cause): Cause => ({
  correlationId: correlationId ?? call.correlationId,
  causationId,
  traceparent: traceparent ?? call.traceparent,
});
