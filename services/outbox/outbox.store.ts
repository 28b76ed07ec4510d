import { countRows } from "../../models/count-rows.ts";
import { query } from "../../models/database.ts";

/** A committed record to be published; `value` is as it was enqueued. */
export type Pending = {
  id: number;
  shard: number;
  key: string | null;
  value: string;
  traceparent: string | null;
  /** Whether another record of its key and topic must go first. */
  isBehind: boolean;
};

/** Where to continue reading a shard's held records, in the order of key and id. */
export type Position = { key: string; id: number };

/** A record belongs to the shard of its key, so that one node publishes a key's records in order. */
export const SHARDS = 32;

/** The shard of a record; without a key, any. The indexes contain the same expression. */
const SHARD = `(coalesce(hashtextextended(key, 0), id) & ${SHARDS - 1})::int`;
const COLUMNS = "id, key, value::text, traceparent";

const READ_QUEUE = {
  name: "read-queue",
  text: `
    SELECT shard, waiting.* FROM unnest($2::int[], $3::bigint[]) AS read (shard, after), LATERAL (
      SELECT ${COLUMNS}, EXISTS (
        SELECT FROM outbox AS earlier
        WHERE set_aside_at IS NOT NULL AND earlier.topic = outbox.topic AND earlier.key = outbox.key
      ) AS "isBehind"
      FROM outbox WHERE topic = $1 AND ${SHARD} = shard AND set_aside_at IS NULL AND id > after
      ORDER BY id LIMIT $4
    ) AS waiting ORDER BY id`,
};

/**
 * Returns the first records of a topic's queue, in the order of their ids.
 * @param after for each shard, the id behind which to read
 * @param limit how many records of each shard
 */
export const readQueue = (topic: string, shards: number[], after: number[], limit: number) =>
  query<Pending>(READ_QUEUE, [topic, shards, after, limit]);

const KEY = `coalesce(key, '') COLLATE "C"`;

const READ_HELD = {
  name: "read-held",
  text: `
    SELECT shard, waiting.* FROM unnest($2::int[], $3::text[], $4::bigint[]) AS read (shard, after_key, after_id), LATERAL (
      SELECT ${COLUMNS}, EXISTS (
        SELECT FROM outbox AS refused
        WHERE fault IS NOT NULL AND refused.topic = outbox.topic AND refused.key = outbox.key
      ) AS "isBehind"
      FROM outbox WHERE topic = $1 AND ${SHARD} = shard AND set_aside_at IS NOT NULL AND fault IS NULL
        AND (${KEY}, id) > (after_key, after_id)
      ORDER BY ${KEY}, id LIMIT $5
    ) AS waiting`,
};

/** Returns held records of a topic, of each shard in the order of key and id. */
export const readHeld = (topic: string, shards: number[], after: Position[], limit: number) =>
  query<Pending>(READ_HELD, [topic, shards, after.map(({ key }) => key), after.map(({ id }) => id), limit]);

/**
 * Deletes published records. It does not wait for the disk: if PostgreSQL crashes and loses it, the records are
 * published again.
 */
export async function removePublished(records: Pending[]): Promise<void> {
  if (records.length === 0) return;
  const text = `
    DELETE FROM outbox USING (SELECT set_config('synchronous_commit', 'off', true)) AS commit (mode)
    WHERE id = ANY($1::bigint[]) AND mode = 'off'`;
  await query({ name: "remove-published", text }, [records.map(({ id }) => id)]);
}

/** Takes records out of the queue: those that Kafka refused for good, with the error, and those that are held. */
export async function takeOut(refused: { record: Pending; fault: string }[], held: Pending[]): Promise<void> {
  if (refused.length + held.length === 0) return;
  const text = `
    UPDATE outbox SET set_aside_at = now(), fault = given.fault
    FROM unnest($1::bigint[], $2::text[]) AS given (id, fault) WHERE outbox.id = given.id`;
  const ids = [...refused.map(({ record }) => record.id), ...held.map(({ id }) => id)];
  const faults = [...refused.map(({ fault }) => fault), ...held.map(() => null)];
  await query({ name: "take-out", text }, [ids, faults]);
}

/**
 * The number of keys of which the metrics read the first held record: reading all records would take longer the more
 * there are.
 */
const KEYS = 1_000;

const OUTBOX_AGE = {
  name: "outbox-age",
  text: `
    WITH RECURSIVE queued AS (
      (
        SELECT topic, ${SHARD} AS shard, created_at FROM outbox
        WHERE set_aside_at IS NULL ORDER BY topic, ${SHARD}, id LIMIT 1
      )
      UNION ALL
      SELECT next.* FROM queued, LATERAL (
        SELECT topic, ${SHARD}, created_at FROM outbox
        WHERE set_aside_at IS NULL AND (topic, ${SHARD}) > (queued.topic, queued.shard)
        ORDER BY topic, ${SHARD}, id LIMIT 1
      ) AS next
    ), held AS (
      (
        SELECT topic, ${SHARD} AS shard, ${KEY} AS after, key, created_at, 1 AS place FROM outbox
        WHERE set_aside_at IS NOT NULL AND fault IS NULL ORDER BY topic, ${SHARD}, ${KEY}, id LIMIT 1
      )
      UNION ALL
      SELECT next.*, place + 1 FROM held, LATERAL (
        SELECT topic, ${SHARD}, ${KEY}, key, created_at FROM outbox
        WHERE set_aside_at IS NOT NULL AND fault IS NULL AND (topic, ${SHARD}, ${KEY}) > (held.topic, held.shard, held.after)
        ORDER BY topic, ${SHARD}, ${KEY}, id LIMIT 1
      ) AS next WHERE place < $1
    )
    SELECT extract(epoch FROM now() - min(created_at))::float8 AS age FROM (
      SELECT created_at FROM queued
      UNION ALL
      SELECT created_at FROM held WHERE NOT EXISTS (
        SELECT FROM outbox AS refused
        WHERE refused.fault IS NOT NULL AND refused.topic = held.topic AND refused.key = held.key
      )
    ) AS in_turn`,
};

/**
 * Returns the age in seconds of the oldest record that waits for its turn, or 0 if there is none. Of the
 * held records only those of the first 1,000 keys count.
 */
export async function outboxAge(): Promise<number> {
  const [row] = await query<{ age: number | null }>(OUTBOX_AGE, [KEYS]);
  return row?.age ?? 0;
}

/** Returns how many records are in the queue, up to 100,000. */
export const outboxLength = (): Promise<number> =>
  countRows("outbox-length", "outbox WHERE set_aside_at IS NULL");

/** Returns how many records are set aside because Kafka refused them for good, up to 100,000. */
export const countSetAside = (): Promise<number> =>
  countRows("count-set-aside", "outbox WHERE fault IS NOT NULL");
