import type { Transaction } from "sequelize";
import { query } from "../../models/database.ts";
import type { UserRow } from "../../models/user.ts";
import type { ErasureRow } from "./users.erasure.rules.ts";

/** The statements of erasures (contract 25). A transaction that calls them has locked the user's row. */

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

const END = {
  name: "end-erasure",
  text: `
    UPDATE erasures SET reason = NULL, erased_at = CASE WHEN cancelled_at IS NULL THEN now() END,
      keycloak_digest = CASE WHEN cancelled_at IS NULL THEN sha256(convert_to($2, 'UTF8')) END
    WHERE user_id = $1`,
};

/**
 * Notes that a user was erased now, and removes the reasons, also of erasures that were cancelled. A digest of the
 * keycloakId stays, so that neither an old token nor Keycloak recreates the user (contract 27).
 */
export const endErasure = (tx: Transaction, { id, keycloakId }: UserRow) => query(END, [id, keycloakId], tx);
