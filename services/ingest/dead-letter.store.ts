import { countRows } from "../../models/count-rows.ts";
import { query } from "../../models/database.ts";

/** The statements of the operator commands for dead letters. */

/** A dead letter as the operator commands show it; `retryAt` is null if it was given up. */
type DeadLetterRow = {
  id: number;
  topic: string;
  partition: number | null;
  offset: string | null;
  code: string;
  message: string;
  retryCount: number;
  retryAt: Date | null;
  failedAt: Date;
};

const COLUMNS = `id, topic, partition, "offset"::text, code, message,
  retry_count AS "retryCount", retry_at AS "retryAt", failed_at AS "failedAt"`;

/** The newest 100. */
export const listDeadLetters = (): Promise<DeadLetterRow[]> =>
  query<DeadLetterRow>(
    { name: "list-dead-letters", text: `SELECT ${COLUMNS} FROM dead_letters ORDER BY id DESC LIMIT 100` },
    [],
  );

/** One dead letter with its event, or undefined. */
export async function showDeadLetter(id: number): Promise<(DeadLetterRow & { event: string }) | undefined> {
  const text = `SELECT ${COLUMNS}, event FROM dead_letters WHERE id = $1`;
  const [letter] = await query<DeadLetterRow & { event: Buffer }>({ name: "show-dead-letter", text }, [id]);
  return letter && { ...letter, event: letter.event.toString() };
}

/**
 * Makes dead letters due for retries, starting with the first one; each event still counts once. The message is read
 * again by the current rules. Returns the ids that exist.
 */
export async function replayDeadLetters(ids: number[]): Promise<number[]> {
  const text = `
    UPDATE dead_letters SET retry_at = now(), retry_count = 0, counted = NULL
    WHERE id = ANY($1::bigint[]) RETURNING id`;
  return (await query<{ id: number }>({ name: "replay-dead-letters", text }, [ids])).map(({ id }) => id);
}

/** Deletes dead letters. Returns the ids that existed. */
export async function discardDeadLetters(ids: number[]): Promise<number[]> {
  const text = "DELETE FROM dead_letters WHERE id = ANY($1::bigint[]) RETURNING id";
  return (await query<{ id: number }>({ name: "discard-dead-letters", text }, [ids])).map(({ id }) => id);
}

/** The number of dead letters that are retried, or that were given up; up to 100,000. */
export const countDeadLetters = (state: "waiting" | "given up"): Promise<number> =>
  state === "waiting"
    ? countRows("count-waiting", "dead_letters WHERE retry_at IS NOT NULL")
    : countRows("count-given-up", "dead_letters WHERE retry_at IS NULL");
