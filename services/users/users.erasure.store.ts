import type { Transaction } from "sequelize";
import {
  EmailTaken,
  HoldNotFound,
  KeycloakIdTaken,
  LegalHold,
  UserNotFound,
} from "../../lib/contract/errors.ts";
import { query } from "../../models/database.ts";
import type { UserRow } from "../../models/user.ts";
import type { Hold, Inventory, Receipt } from "./users.contract.ts";
import { type ErasureRow, IMPERSONAL } from "./users.erasure.rules.ts";

/** The statements of erasures and holds (contract 25). Whoever calls them in a transaction has locked the user's row. */

const FIND = {
  name: "find-erasure",
  text: `
    SELECT id, due_at AS "dueAt", due_at <= now() AS "isDue", erased_at AS "erasedAt", (
      SELECT coalesce(json_agg(json_build_object('service', service, 'at', at) ORDER BY at), '[]')
      FROM erasure_receipts WHERE erasure_id = erasures.id
    ) AS receipts
    FROM erasures WHERE user_id = $1 AND cancelled_at IS NULL`,
};

/** A user's erasure, unless it was cancelled. */
export async function findErasure(userId: string, tx?: Transaction): Promise<ErasureRow | undefined> {
  const [erasure] = await query<ErasureRow>(FIND, [userId], tx);
  return erasure;
}

const INSERT = {
  name: "insert-erasure",
  text: `
    INSERT INTO erasures (id, user_id, reason, due_at)
    VALUES ($1, $2, $3, now() + $4::int * interval '1 day')
    ON CONFLICT (user_id) WHERE cancelled_at IS NULL DO NOTHING`,
};

/** A user who has an erasure keeps it. */
export const insertErasure = (tx: Transaction, userId: string, reason: string | undefined, days: number) =>
  query(INSERT, [crypto.randomUUID(), userId, reason, days], tx);

const CANCEL = {
  name: "cancel-erasure",
  text: `
    UPDATE erasures SET cancelled_at = now()
    WHERE user_id = $1 AND cancelled_at IS NULL AND erased_at IS NULL RETURNING id`,
};

/** @returns whether one was scheduled */
export const cancelScheduled = async (tx: Transaction, userId: string): Promise<boolean> =>
  (await query(CANCEL, [userId], tx)).length > 0;

const NEXT = {
  name: "next-erasure",
  text: `
    SELECT user_id AS "userId" FROM erasures
    WHERE cancelled_at IS NULL AND erased_at IS NULL AND due_at <= now() AND user_id > $1 AND NOT EXISTS (
      SELECT FROM legal_holds WHERE legal_holds.user_id = erasures.user_id AND released_at IS NULL
    )
    ORDER BY user_id LIMIT 1`,
};

/** The next user whose erasure is due, in the order of the ids; users with a hold are left out. */
export async function nextDue(tx: Transaction, after: string): Promise<string | undefined> {
  const [next] = await query<{ userId: string }>(NEXT, [after], tx);
  return next?.userId;
}

const ERASED_CHANGES = `(
  SELECT coalesce(jsonb_object_agg(field, '{"from": null, "to": null}'::jsonb), '{}')
  FROM jsonb_object_keys(changes) AS field
)`;

/** Where a user's id is $1. The outbox keeps the types $2; $3 are texts that name the user in stored answers. */
const OF_USER = {
  outbox: `outbox WHERE (topic = 'user-events' AND key = $1 AND value ->> 'eventType' <> ALL($2::text[]))
    OR (topic LIKE '%-dlq' AND strpos(lower(value::text), $1) > 0)`,
  deadLetters: "dead_letters WHERE strpos(lower(encode(event, 'escape')), $1) > 0",
  answers: `idempotent_answers
    WHERE lower(coalesce(answer #>> '{result,id}', answer #>> '{error,message}')) = ANY($1::text[])`,
};

/** How the stored answers of others name a user. */
const namesOf = ({ id, email, keycloakId }: UserRow): string[] =>
  [id, new EmailTaken(email).message, new KeycloakIdTaken(keycloakId).message].map((name) =>
    name.toLowerCase(),
  );

/**
 * Erases what is stored of a user outside of the row.
 * @param user the row before it was erased
 */
export async function eraseTraces(tx: Transaction, user: UserRow, erasureId: string): Promise<void> {
  const { id, keycloakId } = user;
  const run = (name: string, text: string, values: unknown[]) => query({ name, text }, values, tx);
  await run(
    "erase-history",
    `UPDATE user_history SET by_id = nullif(by_id, $2), changes = ${ERASED_CHANGES} WHERE user_id = $1`,
    [id, keycloakId],
  );
  await run("erase-outbox", `DELETE FROM ${OF_USER.outbox}`, [id, IMPERSONAL]);
  await run("erase-dead-letters", `DELETE FROM ${OF_USER.deadLetters}`, [id]);
  await run("erase-answers", `DELETE FROM ${OF_USER.answers}`, [namesOf(user)]);
  await run("erase-holds", "DELETE FROM legal_holds WHERE user_id = $1", [id]);
  await run("forget-reasons", "UPDATE erasures SET reason = NULL WHERE user_id = $1", [id]);
  await run("end-erasure", "UPDATE erasures SET erased_at = now() WHERE id = $1", [erasureId]);
}

/** How many rows of each place name a user. */
export async function countTraces(
  user: UserRow,
): Promise<Pick<Inventory, "historyEntries" | "outboxRecords" | "deadLetters" | "storedAnswers">> {
  const count = async (name: string, rows: string, values: unknown[]) => {
    const text = `SELECT count(*) AS count FROM ${rows}`;
    return (await query<{ count: number }>({ name, text }, values))[0]?.count ?? 0;
  };
  return {
    historyEntries: await count("count-history", "user_history WHERE user_id = $1", [user.id]),
    outboxRecords: await count("count-outbox", OF_USER.outbox, [user.id, IMPERSONAL]),
    deadLetters: await count("count-letters", OF_USER.deadLetters, [user.id]),
    storedAnswers: await count("count-answers", OF_USER.answers, [namesOf(user)]),
  };
}

/** Records receipts, each once. */
export async function insertReceipts(
  receipts: Receipt[],
): Promise<("applied" | "duplicate" | "unknown-erasure")[]> {
  const text = `
    WITH given AS (
      SELECT * FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS given (erasure_id, service, n)
    ), added AS (
      INSERT INTO erasure_receipts (erasure_id, service)
      SELECT DISTINCT erasure_id, service FROM given WHERE erasure_id IN (SELECT id FROM erasures)
      ON CONFLICT DO NOTHING RETURNING erasure_id, service
    )
    SELECT erasures.id IS NOT NULL AS known, added.service IS NOT NULL
      AND row_number() OVER (PARTITION BY given.erasure_id, given.service ORDER BY n) = 1 AS new
    FROM given LEFT JOIN erasures ON erasures.id = given.erasure_id
    LEFT JOIN added ON added.erasure_id = given.erasure_id AND added.service = given.service
    ORDER BY n`;
  const rows = await query<{ known: boolean; new: boolean }>({ name: "insert-receipts", text }, [
    receipts.map(({ erasureId }) => erasureId),
    receipts.map(({ service }) => service),
  ]);
  return rows.map((row) => (row.new ? "applied" : row.known ? "duplicate" : "unknown-erasure"));
}

/** The hold of a user; null if there is none. */
export async function findHold(userId: string, tx?: Transaction): Promise<Hold | null> {
  const text = `
    SELECT user_id AS "userId", reason, since FROM legal_holds WHERE user_id = $1 AND released_at IS NULL`;
  const [hold] = await query<Omit<Hold, "since"> & { since: Date }>(
    { name: "find-hold", text },
    [userId],
    tx,
  );
  return hold ? { ...hold, since: hold.since.toISOString() } : null;
}

/** @throws LegalHold */
export async function demandNoHold(tx: Transaction, userId: string): Promise<void> {
  if (await findHold(userId, tx)) throw new LegalHold(userId);
}

/** Holds a user. A hold that exists gets the new reason. */
export async function putHold(tx: Transaction, userId: string, reason: string, by?: string): Promise<Hold> {
  const text = `
    INSERT INTO legal_holds (user_id, reason, by_id) VALUES ($1, $2, $3)
    ON CONFLICT (user_id) WHERE released_at IS NULL DO UPDATE SET reason = excluded.reason, by_id = excluded.by_id
    RETURNING since`;
  const [held] = await query<{ since: Date }>({ name: "put-hold", text }, [userId, reason, by], tx);
  return { userId, reason, since: (held?.since ?? new Date()).toISOString() };
}

/** @throws HoldNotFound */
export async function endHold(userId: string, reason?: string): Promise<void> {
  const text = `
    UPDATE legal_holds SET released_at = now(), release_reason = $2
    WHERE user_id = $1 AND released_at IS NULL RETURNING id`;
  const [ended] = await query({ name: "end-hold", text }, [userId, reason]);
  if (!ended) throw new HoldNotFound(userId);
}

/**
 * The id of the user with a keycloakId, or of the one that was deleted last.
 * @throws UserNotFound
 */
export async function findPerson(keycloakId: string): Promise<{ id: string }> {
  const text = `
    SELECT id, deleted_at FROM users WHERE keycloak_id = $1 AND deleted_at IS NULL
    UNION ALL
    SELECT id, deleted_at FROM users WHERE keycloak_id = $1 AND deleted_at IS NOT NULL
    ORDER BY deleted_at DESC NULLS FIRST LIMIT 1`;
  const [person] = await query<{ id: string }>({ name: "find-person", text }, [keycloakId]);
  if (!person) throw new UserNotFound("Keycloak ID", keycloakId);
  return { id: person.id };
}
