import type { Transaction } from "sequelize";
import { deadLetterTopic } from "../../lib/contract/events.ts";
import { query, transaction } from "../../models/database.ts";
import { enqueue, wakeRelay } from "../../models/outbox.ts";
import type { CountedEvent } from "../stats/stats.contract.ts";
import {
  type DeadLetter,
  type DeadLetterCode,
  MAX_PUBLISHED,
  type NewDeadLetter,
  toDeadLetterRecord,
} from "./dead-letter.ts";
import { inParts } from "./isolate.ts";

/**
 * The limits of one transaction that stores dead letters, so that it stays within the statement timeout. 1 MiB of
 * nothing but UUIDs takes 0.3 s, because each gets an entry of the index.
 */
const STORED_AT_ONCE = { count: 1_000, bytes: 1024 * 1024 };

/** Stores dead letters, each key once. Those that are given up are also published on their topics. */
export async function keepDeadLetters(letters: NewDeadLetter[]): Promise<void> {
  const unique = [...new Map(letters.map((letter) => [letter.key, letter])).values()];
  for (const part of inParts(unique, ({ event }) => event.length, STORED_AT_ONCE))
    await transaction(async (tx) => {
      const kept = await insertDeadLetters(tx, part);
      const published = part.filter(({ key, retryInMs }) => retryInMs === null && kept.has(key));
      await enqueue(
        tx,
        published.map((letter) => toDeadLetterRecord(letter, new Date())),
      );
    });
  wakeRelays(unique);
}

const wakeRelays = (letters: { topic: string }[]): void => {
  for (const topic of new Set(letters.map((letter) => letter.topic))) wakeRelay(deadLetterTopic(topic));
};

/** Returns the keys that are new, or that were given up and are retried because their event was sent again. */
async function insertDeadLetters(tx: Transaction, letters: NewDeadLetter[]): Promise<Set<string>> {
  const text = `
    INSERT INTO dead_letters (key, topic, partition, "offset", event, uuids, code, message, counted, retry_at)
    SELECT key, topic, partition, "offset", event, uuids_in(encode(event, 'escape')), code, message, counted,
      now() + retry_in * interval '1 ms'
    FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::json[], $9::float8[])
      AS letter (key, topic, partition, "offset", event, code, message, counted, retry_in)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
      partition = excluded.partition, "offset" = excluded."offset", event = excluded.event,
      uuids = excluded.uuids, code = excluded.code, message = excluded.message, counted = excluded.counted, retry_at = excluded.retry_at, retry_count = 0,
      failed_at = now()
    WHERE dead_letters.retry_at IS NULL AND excluded.retry_at IS NOT NULL
    RETURNING key`;
  const columns = ["key", "topic", "partition", "offset", "event", "code", "message"] as const;
  const values: unknown[] = columns.map((column) => letters.map((letter) => letter[column]));
  values.push(letters.map(({ counted }) => counted && JSON.stringify(counted)));
  values.push(letters.map(({ retryInMs }) => retryInMs));
  const rows = await query<{ key: string }>({ name: "insert-dead-letters", text }, values, tx);
  return new Set(rows.map(({ key }) => key));
}

/** A dead letter that is due. `event` is read only if there is no parsed event to count, as after a replay. */
export type DueLetter = Pick<DeadLetter, "topic" | "partition" | "offset" | "code" | "retryCount"> & {
  id: number;
  counted: CountedEvent | null;
  event: Buffer | null;
};

/** The limits of one round of retries. */
const ROUND = { count: 1_000, bytes: 4 * 1024 * 1024 };

/**
 * Claims the due dead letters, oldest first. No other node claims them within `leaseMs`; after that they are due again,
 * in case this node dies.
 */
export const claimDue = (leaseMs: number): Promise<DueLetter[]> =>
  query<DueLetter>(
    {
      name: "claim-due",
      text: `
        WITH due AS (
          SELECT id, retry_at, CASE WHEN counted IS NULL THEN octet_length(event) ELSE 0 END AS bytes
          FROM dead_letters WHERE retry_at <= now() ORDER BY retry_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
        ), claimed AS (
          SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY retry_at, id) - bytes AS before FROM due) AS sums
          WHERE before < $2
        )
        UPDATE dead_letters AS letter SET retry_at = now() + $3 * interval '1 ms'
        FROM claimed WHERE letter.id = claimed.id
        RETURNING letter.id, topic, partition, "offset"::text, code, retry_count AS "retryCount", counted,
          CASE WHEN counted IS NULL THEN event END AS event`,
    },
    [ROUND.count, ROUND.bytes, leaseMs],
  );

/** Makes claimed dead letters due again in `ms`, without counting a retry. */
export async function releaseClaimed(letters: DueLetter[], ms: number): Promise<void> {
  const text = "UPDATE dead_letters SET retry_at = now() + $2 * interval '1 ms' WHERE id = ANY($1::bigint[])";
  await query({ name: "release-claimed", text }, [letters.map(({ id }) => id), ms]);
}

/** The outcome of a retry: the letter is done, is retried once more in `retryInMs`, or is given up for a reason. */
export type Settlement = { letter: DueLetter } & (
  | { next: "done" }
  | { next: "retry"; retryInMs: number }
  | { next: "give-up"; code: DeadLetterCode; message?: string }
);
type Next<Kind extends Settlement["next"]> = Extract<Settlement, { next: Kind }>;

/** The maximum number of letters given up in one transaction: up to 128 KiB of each event is read to be published. */
const GIVEN_UP_AT_ONCE = 25;

/** Records the outcomes of retries. Safe to repeat: a retry counts only if the letter still has the claimed count. */
export async function settle(settlements: Settlement[]): Promise<void> {
  const done = settlements.filter((one): one is Next<"done"> => one.next === "done");
  const again = settlements.filter((one): one is Next<"retry"> => one.next === "retry");
  const over = settlements.filter((one): one is Next<"give-up"> => one.next === "give-up");
  if (done.length > 0)
    await query({ name: "remove-counted", text: "DELETE FROM dead_letters WHERE id = ANY($1::bigint[])" }, [
      done.map(({ letter }) => letter.id),
    ]);
  if (again.length > 0)
    await query(
      {
        name: "retry-later",
        text: `
          UPDATE dead_letters AS letter SET retry_count = retry_count + 1,
            retry_at = now() + retry_in * interval '1 ms', failed_at = now()
          FROM unnest($1::bigint[], $2::int[], $3::float8[]) AS later (id, claimed_count, retry_in)
          WHERE letter.id = later.id AND retry_count = claimed_count`,
      },
      [
        again.map(({ letter }) => letter.id),
        again.map(({ letter }) => letter.retryCount),
        again.map(({ retryInMs }) => retryInMs),
      ],
    );
  for (const part of inParts(over, () => 0, { count: GIVEN_UP_AT_ONCE, bytes: 1 })) await giveUp(part);
}

/** Gives up a dead letter that cannot be published: it stays in the table for an operator. */
export async function giveUpUnpublished({ id }: DueLetter): Promise<void> {
  const text =
    "UPDATE dead_letters SET retry_at = NULL, code = 'PROCESSING_ERROR', failed_at = now() WHERE id = $1";
  await query({ name: "give-up-unpublished", text }, [id]);
}

/** Gives up dead letters and publishes them, in one transaction. */
async function giveUp(over: Next<"give-up">[]): Promise<void> {
  await transaction(async (tx) => {
    const letters = await query<DeadLetter>(
      {
        name: "give-up",
        text: `
          UPDATE dead_letters AS letter SET retry_count = retry_count + 1, retry_at = NULL, failed_at = now(),
            code = over.code, message = coalesce(over.message, letter.message)
          FROM unnest($1::bigint[], $2::text[], $3::text[]) AS over (id, code, message)
          WHERE letter.id = over.id AND retry_at IS NOT NULL
          RETURNING key, topic, partition, "offset"::text, substring(event FOR ${MAX_PUBLISHED + 1}) AS event,
            letter.code, letter.message, retry_count AS "retryCount"`,
      },
      [
        over.map(({ letter }) => letter.id),
        over.map(({ code }) => code),
        over.map(({ message }) => message ?? null),
      ],
      tx,
    );
    await enqueue(
      tx,
      letters.map((letter) => toDeadLetterRecord(letter, new Date())),
    );
  });
  wakeRelays(over.map(({ letter }) => letter));
}
