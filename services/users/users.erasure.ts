import type { Transaction } from "sequelize";
import { config } from "../../lib/config/config.ts";
import { callerOf } from "../../lib/contract/caller.ts";
import { ErasureNotFound } from "../../lib/contract/errors.ts";
import { type ChangeCall, changeDeleted } from "../../models/change-user.ts";
import { query, transaction } from "../../models/database.ts";
import { once } from "../../models/idempotency.ts";
import type { UserRow } from "../../models/user.ts";
import type { Erasure, ScheduledErasure } from "./users.contract.ts";
import { removalReason, remove } from "./users.deleted.rules.ts";
import { demandData, erase, presentErasure, presentScheduled } from "./users.erasure.rules.ts";
import { endErasure, findErasure, insertErasure, nextDue } from "./users.erasure.store.ts";
import { demandNoHold } from "./users.holds.ts";
import { eraseTraces } from "./users.traces.ts";

/**
 * Erasing users (contract 25). Each step locks the user's row first and is one transaction, so after a crash a user is
 * whole or erased.
 */

type ErasureCall = ChangeCall & Parameters<typeof once>[0];

/**
 * Deletes a user and schedules the erasure. A user who has one keeps it.
 * @param onError gets what prevented an erasure that is due at once: the hourly run repeats it
 * @throws UserErased, LegalHold, DependencyUnavailable
 */
export async function requestErasure(
  ctx: ErasureCall & { params: { reason?: string } },
  onError: (error: unknown) => void,
): Promise<ScheduledErasure> {
  const schedule = async (tx: Transaction) => {
    const { id, reason } = ctx.params;
    return presentScheduled((await scheduleIn(tx, ctx, id, reason)).erasure);
  };
  const scheduled = await once(ctx, (tx) => (tx ? schedule(tx) : transaction(schedule)));
  if (config.eraseAfterDays === 0) await eraseScheduled(ctx).catch(onError);
  return scheduled;
}

async function scheduleIn(tx: Transaction, ctx: ChangeCall, id: string, reason?: string) {
  const user = await changeDeleted(ctx, (user) => deletion(ctx, user), tx);
  await demandNoHold(tx, id);
  await insertErasure(tx, id, reason, config.eraseAfterDays);
  const erasure = await findErasure(id, tx);
  if (!erasure) throw new ErasureNotFound(id);
  return { user, erasure };
}

function deletion(ctx: ChangeCall, user: UserRow) {
  demandData(user);
  const by = removalReason(callerOf(ctx.meta), user.keycloakId);
  return user.deletedAt ? undefined : remove(user, by, new Date());
}

/**
 * Erases a user at once, also if no erasure was requested.
 * @throws UserErased, LegalHold, UserNotFound, DependencyUnavailable
 */
export const eraseNow = (ctx: ChangeCall): Promise<void> =>
  transaction(async (tx) => {
    const { user, erasure } = await scheduleIn(tx, ctx, ctx.params.id);
    await eraseIn(tx, ctx, user, erasure.id);
  });

/** Erases a user if the erasure is still scheduled, and due. */
const eraseScheduled = (ctx: ChangeCall): Promise<void> =>
  transaction(async (tx) => {
    const user = await changeDeleted(ctx, () => undefined, tx);
    const erasure = await findErasure(user.id, tx);
    if (!erasure?.isDue || erasure.erasedAt) return;
    await demandNoHold(tx, user.id);
    await eraseIn(tx, ctx, user, erasure.id);
  });

async function eraseIn(tx: Transaction, ctx: ChangeCall, user: UserRow, erasureId: string): Promise<void> {
  await changeDeleted(ctx, (row) => erase(row, erasureId), tx);
  await eraseTraces(tx, user);
  await endErasure(tx, user);
}

/** The advisory lock of the node that erases; the number is arbitrary. */
const LOCK = 8_300_306;
/** In ms. The next run continues. */
const RUN = 600_000;

/**
 * Erases the users whose erasure is due, one after the other, unless another node is doing it.
 * @param onError gets what went wrong with one user; the others are erased nevertheless
 * @returns the number of erased users
 * @throws DependencyUnavailable
 */
export const eraseDue = (onError: (error: unknown) => void): Promise<number> =>
  transaction(async (tx) => {
    const text = "SELECT pg_try_advisory_xact_lock($1) AS first";
    const [row] = await query<{ first: boolean }>({ name: "lock-eraser", text }, [LOCK], tx);
    if (!row?.first) return 0;
    const end = performance.now() + RUN;
    let erased = 0;
    for (let id = await nextDue(tx, NO_ID); id && performance.now() < end; id = await nextDue(tx, id)) {
      const call = { id: crypto.randomUUID(), requestID: null, meta: {}, params: { id } };
      await eraseScheduled(call).then(() => erased++, onError);
    }
    return erased;
  });

const NO_ID = "00000000-0000-0000-0000-000000000000";

/** @throws ErasureNotFound, DependencyUnavailable */
export async function showErasure(userId: string): Promise<Erasure> {
  const erasure = await findErasure(userId);
  if (!erasure) throw new ErasureNotFound(userId);
  return presentErasure(erasure, config.erasureParties, new Date());
}
