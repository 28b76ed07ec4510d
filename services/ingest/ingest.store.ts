import type { Transaction } from "sequelize";
import { deadLetterTopic } from "../../lib/contract/events.ts";
import { query, transaction } from "../../models/database.ts";
import { enqueue, wakeRelay } from "../../models/outbox.ts";
import { type DeadLetter, toRecord } from "./dead-letter.ts";

/** Keeps dead letters, each once, and has those that are `given up` published on their topics. */
export async function keepDeadLetters(letters: (DeadLetter & { retryAt: Date | null })[]): Promise<void> {
  if (letters.length === 0) return;
  await transaction(async (tx) => {
    const kept = await insertDeadLetters(tx, letters);
    const givenUp = letters.filter(({ key, retryAt }) => retryAt === null && kept.delete(key));
    await enqueue(
      tx,
      givenUp.map((letter) => toRecord(letter, new Date())),
    );
  });
  for (const { topic } of letters) wakeRelay(deadLetterTopic(topic));
}

/** Returns the keys of those that were not there yet. */
async function insertDeadLetters(
  tx: Transaction,
  letters: (DeadLetter & { retryAt: Date | null })[],
): Promise<Set<string>> {
  const text = `
    INSERT INTO dead_letters (key, topic, partition, "offset", event, code, message, retry_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::timestamptz[])
    ON CONFLICT (key) DO NOTHING RETURNING key`;
  const columns = ["key", "topic", "partition", "offset", "event", "code", "message", "retryAt"] as const;
  const values = columns.map((column) => letters.map((letter) => letter[column]));
  const rows = await query<{ key: string }>({ name: "insert-dead-letters", text }, values, tx);
  return new Set(rows.map(({ key }) => key));
}

/** One that waits for its user. */
export type Waiting = DeadLetter & { id: number };

/** Those whose time has come; locked, so that no other node tries them too. */
export const lockDue = (tx: Transaction, limit: number): Promise<Waiting[]> =>
  query<Waiting>(
    {
      name: "lock-due",
      text: `
        SELECT id, key, topic, partition, "offset"::text, event, code, message, retry_count AS "retryCount"
        FROM dead_letters WHERE retry_at <= now() ORDER BY retry_at LIMIT $1 FOR UPDATE SKIP LOCKED`,
    },
    [limit],
    tx,
  );

/** Tried once more: to be tried again at `retryAt`, or given up and published on its topic. */
export async function postpone(tx: Transaction, letter: Waiting, retryAt: Date | null): Promise<void> {
  const retryCount = letter.retryCount + 1;
  const text = "UPDATE dead_letters SET retry_count = $2, retry_at = $3, failed_at = now() WHERE id = $1";
  await query({ name: "postpone", text }, [letter.id, retryCount, retryAt], tx);
  if (retryAt === null) await enqueue(tx, [toRecord({ ...letter, retryCount }, new Date())]);
}

/** Its user is there now, and it counted. */
export async function removeWaiting(tx: Transaction, { id }: Waiting): Promise<void> {
  await query({ name: "remove-waiting", text: "DELETE FROM dead_letters WHERE id = $1" }, [id], tx);
}
