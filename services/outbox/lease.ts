import type { Transaction } from "sequelize";
import { repeat } from "../../lib/runtime/tasks.ts";
import { transaction } from "../../models/database.ts";
import { beginLease, lockShards, readLeases } from "./lease.store.ts";
import { SHARDS } from "./outbox.store.ts";
import { type Barrier, isSettled, shareOf } from "./relay.rules.ts";

/** In ms. How soon free shards are taken, and shards given back to a node that has just started. */
const RENEW_EVERY = 1_000;
/**
 * In ms. PostgreSQL ends the lease of a node that does not renew it for so long, because it is frozen or out of reach.
 * The shards of a node that dies are free at once. So all shards are published again after 4 s at most.
 */
const LOST_AFTER = 3_000;

/** The right to publish some shards. What is known about the outbox is valid until the lease ends. */
export type Lease = {
  /** More of them may be added. */
  shards: number[];
  /** All records up to this id are committed or will never be. */
  settled: number;
  /** Aborts when the lease is lost, or has to be given back because others get a share of it. */
  over: AbortSignal;
};

/**
 * Takes a fair share of the shards, and holds it while `work` runs: locks in a transaction that does nothing else. A
 * node that leaves, whatever the reason, thus loses them with its connection, also behind a pooler.
 * @throws DependencyUnavailable if the lease cannot be taken or is lost; then what `work` began has ended
 */
export const underLease = (work: (lease: Lease) => Promise<void>): Promise<void> =>
  transaction(async (tx) => {
    await beginLease(tx, LOST_AFTER);
    const over = new AbortController();
    const lease: Lease = { shards: [], settled: 0, over: over.signal };
    const renew = renewal(tx, lease, over);
    await renew();
    await renew(); // finds out what is settled

    const done = new AbortController();
    let lost: unknown;
    const onError = (error: unknown) => {
      lost ??= error;
      over.abort();
    };
    const renewing = repeat(renew, { everyMs: RENEW_EVERY, signal: done.signal, onError });
    await work(lease).finally(() => done.abort());
    await renewing;
    if (lost) throw lost;
  });

/** Returns what adds free shards to a lease up to its fair share, and ends it if it has more. */
function renewal(tx: Transaction, lease: Lease, over: AbortController): () => Promise<void> {
  let barrier: Barrier | undefined;
  return async () => {
    const { members, free, ...now } = await readLeases(tx);
    const share = shareOf(SHARDS, members);
    if (lease.shards.length > share) over.abort();
    else lease.shards.push(...(await lockShards(tx, free.slice(0, share - lease.shards.length))));
    if (barrier && !isSettled(barrier, now)) return;
    lease.settled = barrier?.lastId ?? 0;
    barrier = now;
  };
}
