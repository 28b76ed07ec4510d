import type { Transaction } from "sequelize";
import { query } from "../../models/database.ts";
import { SHARDS } from "./outbox.store.ts";
import type { Barrier } from "./relay.rules.ts";

/** The statements of a lease. Its locks are named by the number of the table, which differs between schemas. */

/** Each lease holds this lock too, shared, so that the leases can be counted. */
const MEMBER = SHARDS;

/** Relays of 1.0.0 hold one of these locks per topic while they publish. They pause while a lease shares them. */
const LOCKS_OF_1_0_0 = [8_300_302, 8_300_303, 8_300_304];

/**
 * Begins a lease in a transaction, which then must run a statement at least every `idleMs`: else PostgreSQL ends it.
 * @throws PostgreSQL's error if a relay of 1.0.0 does not pause in time
 */
export async function beginLease(tx: Transaction, idleMs: number): Promise<void> {
  const text = `
    SELECT set_config('idle_in_transaction_session_timeout', $1, true),
      pg_advisory_xact_lock_shared('outbox'::regclass::int, $2), count(pg_advisory_xact_lock_shared(lock))
    FROM unnest($3::bigint[]) AS lock`;
  await query({ name: "begin-lease", text }, [String(idleMs), MEMBER, LOCKS_OF_1_0_0], tx);
}

/** What the leases know of each other and of the writers to the outbox. */
export type Overview = Barrier & { isReadOnly: boolean; members: number; free: number[] };

/** `writers` refers to `last_id`, so it is read after it: a transaction that has an id is among them, or has ended. */
const OVERVIEW = {
  name: "read-leases",
  text: `
    WITH taken AS MATERIALIZED (
      SELECT objid::int AS shard FROM pg_locks
      WHERE locktype = 'advisory' AND classid = 'outbox'::regclass AND objsubid = 2 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    SELECT last_id AS "lastId",
      ARRAY(
        SELECT virtualtransaction FROM pg_locks
        WHERE last_id >= 0 AND relation = 'outbox'::regclass AND mode = 'RowExclusiveLock'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      ) AS writers,
      (SELECT count(*) FROM taken WHERE shard = $1) AS members,
      ARRAY(SELECT generate_series(0, $1 - 1) EXCEPT SELECT shard FROM taken ORDER BY 1) AS free,
      'on' IN (current_setting('transaction_read_only'), current_setting('default_transaction_read_only')) AS "isReadOnly"
    FROM (SELECT coalesce(pg_sequence_last_value('outbox_id_seq'), 0) AS last_id) AS sequence`,
};

/** Returns an overview of all leases. It keeps the lease. */
export async function readLeases(tx: Transaction): Promise<Overview> {
  const [overview] = await query<Overview>(OVERVIEW, [MEMBER], tx);
  return overview as Overview;
}

/** Locks shards that are free. Returns those that no other lease locked at the same time. */
export async function lockShards(tx: Transaction, shards: number[]): Promise<number[]> {
  const text = `
    SELECT shard FROM unnest($1::int[]) AS shard
    WHERE pg_try_advisory_xact_lock('outbox'::regclass::int, shard)`;
  return (await query<{ shard: number }>({ name: "lock-shards", text }, [shards], tx)).map(
    ({ shard }) => shard,
  );
}
