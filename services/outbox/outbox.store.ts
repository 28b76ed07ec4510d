import type { Transaction } from "sequelize";
import { query } from "../../models/database.ts";

/** A record that is committed and yet to be published; `value` as it was enqueued. */
export type Pending = {
  id: number;
  topic: string;
  key: string | null;
  value: string;
  traceparent: string | null;
};

/** One relay works at a time, or the order per key is lost; any constant would do. */
const LOCK = 8_300_302;

/**
 * Takes the oldest records out, in order, for as long as the transaction lasts: committed, they are published and
 * forgotten; rolled back, they wait on. Takes none while another relay is at work.
 */
export async function takePending(tx: Transaction, limit: number): Promise<Pending[]> {
  const records = await query<Pending>(
    {
      name: "take-pending",
      text: `
        DELETE FROM outbox WHERE id IN (
          SELECT id FROM outbox WHERE (SELECT pg_try_advisory_xact_lock($2)) ORDER BY id LIMIT $1
        )
        RETURNING id, topic, key, value::text, traceparent`,
    },
    [limit, LOCK],
    tx,
  );
  return records.sort((a, b) => a.id - b.id);
}

/**
 * Spares this transaction the wait for the disk, as its loss in a crash of PostgreSQL only publishes the records again.
 * What is written elsewhere is as durable as ever.
 */
export async function commitWithoutWaiting(tx: Transaction): Promise<void> {
  await query({ name: "commit-without-waiting", text: "SET LOCAL synchronous_commit = off" }, [], tx);
}

/** The age of the oldest record that waits, in seconds; 0 where none does. */
export async function outboxAge(): Promise<number> {
  const text = "SELECT extract(epoch FROM now() - created_at)::float8 AS age FROM outbox ORDER BY id LIMIT 1";
  const [row] = await query<{ age: number }>({ name: "outbox-age", text }, []);
  return row?.age ?? 0;
}

/** How many records wait: the span of their ids, as counting millions would take longer than a scrape may. */
export async function outboxLength(): Promise<number> {
  const text = "SELECT coalesce(max(id) - min(id) + 1, 0)::float8 AS length FROM outbox";
  const [row] = await query<{ length: number }>({ name: "outbox-length", text }, []);
  return row?.length ?? 0;
}
