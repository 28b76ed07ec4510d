import { query } from "../../models/database.ts";

/** What an operator does with dead letters: look, replay, discard. */

/** A dead letter for people; `retryAt` is null where it was given up. */
export type Listed = {
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

/** The newest ones first, at most 100. */
export const listDeadLetters = (): Promise<Listed[]> =>
  query<Listed>(
    { name: "list-dead-letters", text: `SELECT ${COLUMNS} FROM dead_letters ORDER BY id DESC LIMIT 100` },
    [],
  );

/** One with its message, or undefined where there is none. */
export async function showDeadLetter(id: number): Promise<(Listed & { event: string }) | undefined> {
  const text = `SELECT ${COLUMNS}, event FROM dead_letters WHERE id = $1`;
  const [letter] = await query<Listed & { event: Buffer }>({ name: "show-dead-letter", text }, [id]);
  return letter && { ...letter, event: letter.event.toString() };
}

/** Has them tried again from the start; each still counts once. Returns the ids that there are. */
export async function replayDeadLetters(ids: number[]): Promise<number[]> {
  const text =
    "UPDATE dead_letters SET retry_at = now(), retry_count = 0 WHERE id = ANY($1::bigint[]) RETURNING id";
  return (await query<{ id: number }>({ name: "replay-dead-letters", text }, [ids])).map(({ id }) => id);
}

/** Forgets them. Returns the ids that there were. */
export async function discardDeadLetters(ids: number[]): Promise<number[]> {
  const text = "DELETE FROM dead_letters WHERE id = ANY($1::bigint[]) RETURNING id";
  return (await query<{ id: number }>({ name: "discard-dead-letters", text }, [ids])).map(({ id }) => id);
}

/** How many are kept: those that are tried again by themselves, or those that were given up. */
export async function countDeadLetters(state: "waiting" | "given up"): Promise<number> {
  const text = "SELECT count(*)::float8 AS count FROM dead_letters WHERE (retry_at IS NULL) = $1";
  const [row] = await query<{ count: number }>({ name: "count-dead-letters", text }, [state === "given up"]);
  return row?.count ?? 0;
}
