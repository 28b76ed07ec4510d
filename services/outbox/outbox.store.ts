import type { Transaction } from "sequelize";
import { query } from "../../models/database.ts";

/** A record that is committed and yet to be published; `value` as it was enqueued. */
export type Pending = { id: number; topic: string; key: string | null; value: string };

/** One relay works at a time, or the order per key is lost; any constant would do. */
const LOCK = 8_300_302;

/** Makes this transaction the one relay at work; false where another one is. */
export async function becomeRelay(tx: Transaction): Promise<boolean> {
  const text = "SELECT pg_try_advisory_xact_lock($1) AS locked";
  const [row] = await query<{ locked: boolean }>({ name: "become-relay", text }, [LOCK], tx);
  return row?.locked === true;
}

/** The oldest records that wait, in order. */
export const findPending = (tx: Transaction, limit: number): Promise<Pending[]> =>
  query<Pending>(
    {
      name: "find-pending",
      text: "SELECT id, topic, key, value::text FROM outbox ORDER BY id LIMIT $1",
    },
    [limit],
    tx,
  );

/** What is published has done its duty: the outbox holds only what waits. */
export async function deletePublished(tx: Transaction, records: Pending[]): Promise<void> {
  const text = "DELETE FROM outbox WHERE id = ANY($1::bigint[])";
  await query({ name: "delete-published", text }, [records.map(({ id }) => id)], tx);
}

/** The age of the oldest record that waits, in seconds; 0 where none does. */
export async function outboxAge(): Promise<number> {
  const text = "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age FROM outbox";
  const [row] = await query<{ age: number }>({ name: "outbox-age", text }, []);
  return row?.age ?? 0;
}
