import type { Transaction } from "sequelize";
import { query } from "../../models/database.ts";
import type { DeadLetterCode } from "./ingest.rules.ts";

/** An event that could not be counted: `retryAt` says when it is tried again, null that it is given up. */
export type DeadLetter = {
  /** What tells it from others: the event's own key, or a digest of the message. */
  key: string;
  topic: string;
  /** The message as it came. */
  event: Buffer;
  code: DeadLetterCode;
  message: string;
  retryAt: Date | null;
};

/** Keeps a dead letter, once. */
export async function insertDeadLetter({
  key,
  topic,
  event,
  code,
  message,
  retryAt,
}: DeadLetter): Promise<void> {
  const text = `
    INSERT INTO dead_letters (key, topic, event, code, message, retry_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key) DO NOTHING`;
  await query({ name: "insert-dead-letter", text }, [key, topic, event, code, message, retryAt]);
}

/** One that waits for its user, and how often it has been tried again. */
export type Waiting = { id: number; topic: string; event: Buffer; retryCount: number };

/** Those whose time has come; locked, so that no other node tries them too. */
export const lockDue = (tx: Transaction, limit: number): Promise<Waiting[]> =>
  query<Waiting>(
    {
      name: "lock-due",
      text: `
        SELECT id, topic, event, retry_count AS "retryCount" FROM dead_letters
        WHERE retry_at <= now() ORDER BY retry_at LIMIT $1 FOR UPDATE SKIP LOCKED`,
    },
    [limit],
    tx,
  );

/** To be tried again then; null: given up. */
export async function postpone(tx: Transaction, id: number, retryAt: Date | null): Promise<void> {
  const text = `
    UPDATE dead_letters SET retry_count = retry_count + 1, retry_at = $2, failed_at = now() WHERE id = $1`;
  await query({ name: "postpone", text }, [id, retryAt], tx);
}

/** Its user is there now, and it counted. */
export async function removeWaiting(tx: Transaction, id: number): Promise<void> {
  await query({ name: "remove-waiting", text: "DELETE FROM dead_letters WHERE id = $1" }, [id], tx);
}
