import { setTimeout as sleep } from "node:timers/promises";
import { transaction } from "../../models/database.ts";
import { nextCommit } from "../../models/outbox.ts";
import { commitWithoutWaiting, type Pending, takePending } from "./outbox.store.ts";

/** How many records are published in one go. */
const BATCH = 500;
/** For commits of other nodes, which wake nobody here; in ms. */
const POLL_EVERY = 1_000;
/** After a commit, for those that come right behind it: what goes out together costs one transaction; in ms. */
const LINGER = 2;
/** After a failure, doubled each time; in ms. */
const RETRY_AFTER = { first: 100, last: 5_000 };

/** Publishes records, and resolves when all are out of our hands. Those of one key come in order. */
export type Publish = (records: Pending[]) => Promise<void>;

/**
 * Hands committed records on, at least once and in order per key (SPEC 7), until `signal` says to stop: what is
 * committed by then is still published. A failure leaves the records where they are, to be tried again.
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
      await sleep(LINGER);
    } catch (error) {
      onError(error);
      if (stopping) return;
      const wait = Math.min(RETRY_AFTER.first * 2 ** failures++, RETRY_AFTER.last);
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }
}

/** Publishes a batch before it is forgotten: who dies in between publishes it again. Returns how many. */
const relayBatch = (publish: Publish): Promise<number> =>
  transaction(async (tx) => {
    const records = await takePending(tx, BATCH);
    if (records.length === 0) return 0;
    await Promise.all([publish(records), commitWithoutWaiting(tx)]);
    return records.length;
  });
