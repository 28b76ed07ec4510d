import type { Transaction } from "sequelize";
import { callerOf } from "../../lib/contract/caller.ts";
import { HoldNotFound, LegalHold } from "../../lib/contract/errors.ts";
import { type ChangeCall, changeDeleted } from "../../models/change-user.ts";
import { query, transaction } from "../../models/database.ts";
import type { Hold } from "./users.contract.ts";
import { demandData } from "./users.erasure.rules.ts";

/** Legal holds: users that must not be erased (contract 25). */

/**
 * Holds a user: no erasure until it is released.
 * @throws UserNotFound, UserErased, DependencyUnavailable
 */
export const holdUser = (ctx: ChangeCall & { params: { reason: string } }): Promise<Hold> =>
  transaction(async (tx) => {
    const { id, reason } = ctx.params;
    await changeDeleted(ctx, (user) => void demandData(user), tx);
    return putHold(tx, id, reason, callerOf(ctx.meta).user?.sub);
  });

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
async function putHold(tx: Transaction, userId: string, reason: string, by?: string): Promise<Hold> {
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
