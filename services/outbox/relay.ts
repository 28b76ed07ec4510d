import { setTimeout as sleep } from "node:timers/promises";
import { transaction } from "../../models/database.ts";
import { nextCommit } from "../../models/outbox.ts";
import { becomeRelay, deletePublished, findPending, type Pending } from "./outbox.store.ts";

/** How many events are published in one go. */
const BATCH = 500;
/** For commits of other nodes, which wake nobody here; in ms. */
const POLL_EVERY = 1_000;
/** After a failure, doubled each time; in ms. */
const RETRY_AFTER = { first: 100, last: 5_000 };

/** Publishes events, and resolves when all are out of our hands. Those of one user come in order. */
export type Publish = (events: Pending[]) => Promise<void>;

/**
 * Hands committed events on, at least once and in order per user (SPEC 7), until `signal` says to stop: what is
 * committed by then is still published. A failure leaves the events where they are, to be tried again.
 */
export async function runRelay(
  publish: Publish,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  let failures = 0;
  for (;;) {
    const stopping = signal.aborted;
    try {
      const published = await relayBatch(publish);
      failures = 0;
      if (published === BATCH) continue;
      if (stopping) return;
      await nextCommit(POLL_EVERY, signal);
    } catch (error) {
      onError(error);
      if (stopping) return;
      const wait = Math.min(RETRY_AFTER.first * 2 ** failures++, RETRY_AFTER.last);
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }
}

/** Publishes a batch and forgets it, in that order: who dies in between publishes it again. Returns how many. */
function relayBatch(publish: Publish): Promise<number> {
  return transaction(async (tx) => {
    if (!(await becomeRelay(tx))) return 0;
    const events = await findPending(tx, BATCH);
    if (events.length === 0) return 0;
    await publish(events);
    await deletePublished(tx, events);
    return events.length;
  });
}
