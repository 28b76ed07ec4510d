import type { Transaction } from "sequelize";
import { countRows } from "../../models/count-rows.ts";
import { query } from "../../models/database.ts";

/** A committed record to be published; `value` is as it was enqueued. */
export type Pending = {
  id: number;
  key: string | null;
  value: string;
  traceparent: string | null;
  /** Whether an earlier record of its key and topic is set aside. */
  held: boolean;
};

/** The position from which to continue reading a topic, in the order of key and id. */
export type Position = { key: string; id: number };

/**
 * Locks a topic for this transaction: two relays at once would break the order per key. Returns false if another relay
 * holds the lock. This is a separate statement, because a statement sees only what was committed when it began: if it
 * both locked and read, it could read records that the other relay has just published.
 *
 * The transaction will not wait for the disk when it commits: if PostgreSQL crashes and loses it, the records are
 * published again. Other transactions stay durable.
 */
export async function lockTopic(tx: Transaction, lock: number): Promise<boolean> {
  // a read-only database cannot delete published records, which would then be published again and again
  const text = `
    SELECT current_setting('transaction_read_only') = 'off' AND pg_try_advisory_xact_lock($1) AS locked,
      set_config('synchronous_commit', 'off', true)`;
  const [row] = await query<{ locked: boolean }>({ name: "lock-topic", text }, [lock], tx);
  return row?.locked ?? false;
}

/** Returns the next records of a topic after a position, in the order of key and id. */
export const readPending = (
  tx: Transaction,
  topic: string,
  after: Position,
  limit: number,
): Promise<Pending[]> =>
  query<Pending>(
    {
      name: "read-pending",
      text: `
        SELECT id, key, value::text, traceparent, EXISTS (
          SELECT 1 FROM outbox AS earlier
          WHERE earlier.set_aside_at IS NOT NULL AND earlier.topic = waiting.topic AND earlier.key = waiting.key
        ) AS held
        FROM outbox AS waiting
        WHERE topic = $1 AND set_aside_at IS NULL AND (coalesce(key, '') COLLATE "C", id) > ($2, $3)
        ORDER BY coalesce(key, '') COLLATE "C", id LIMIT $4`,
    },
    [topic, after.key, after.id, limit],
    tx,
  );

/** Deletes published records. */
export async function removePublished(tx: Transaction, records: Pending[]): Promise<void> {
  if (records.length === 0) return;
  const text = "DELETE FROM outbox WHERE id = ANY($1::bigint[])";
  await query({ name: "remove-published", text }, [records.map(({ id }) => id)], tx);
}

/** Sets aside records that Kafka refused for good, with the error. */
export async function setAside(
  tx: Transaction,
  refused: { record: Pending; fault: string }[],
): Promise<void> {
  if (refused.length === 0) return;
  const text = `
    UPDATE outbox SET set_aside_at = now(), fault = refused.fault
    FROM unnest($1::bigint[], $2::text[]) AS refused (id, fault) WHERE outbox.id = refused.id`;
  const values = [refused.map(({ record }) => record.id), refused.map(({ fault }) => fault)];
  await query({ name: "set-aside", text }, values, tx);
}

/**
 * The number of keys of which the metrics read the first record: reading all records would take longer the more there
 * are.
 */
const KEYS = 1_000;

/**
 * Returns the age in seconds of the oldest record that waits for its turn, or 0 if there is none. With more than 1,000
 * keys it is the oldest of the first 1,000; if all of those wait behind a record that is set aside, of these.
 */
export async function outboxAge(): Promise<number> {
  const byKey = `topic, coalesce(key, '') COLLATE "C"`;
  const text = `
    WITH RECURSIVE first AS (
      (SELECT topic, key, created_at, 1 AS place FROM outbox WHERE set_aside_at IS NULL ORDER BY ${byKey}, id LIMIT 1)
      UNION ALL
      SELECT next.*, place + 1 FROM first, LATERAL (
        SELECT topic, key, created_at FROM outbox
        WHERE set_aside_at IS NULL AND (${byKey}) > (first.topic, coalesce(first.key, '') COLLATE "C")
        ORDER BY ${byKey}, id LIMIT 1
      ) AS next WHERE place < $1
    ), oldest AS (
      SELECT min(created_at) FILTER (WHERE NOT EXISTS (
        SELECT FROM outbox AS earlier
        WHERE earlier.set_aside_at IS NOT NULL AND earlier.topic = first.topic AND earlier.key = first.key
      )) AS in_turn, min(created_at) FILTER (WHERE place = $1) IS NOT NULL AS more, min(created_at) AS at_all FROM first
    )
    SELECT extract(epoch FROM now() - coalesce(in_turn, CASE WHEN more THEN at_all END))::float8 AS age FROM oldest`;
  const [row] = await query<{ age: number | null }>({ name: "outbox-age", text }, [KEYS]);
  return row?.age ?? 0;
}

/** Returns how many records wait to be published, held ones included, up to 100,000. */
export const outboxLength = (): Promise<number> =>
  countRows("outbox-length", "outbox WHERE set_aside_at IS NULL");

/** Returns how many records are set aside, up to 100,000. */
export const countSetAside = (): Promise<number> =>
  countRows("count-set-aside", "outbox WHERE set_aside_at IS NOT NULL");
