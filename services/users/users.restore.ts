import type { Transaction } from "sequelize";
import { config } from "../../lib/config/config.ts";
import { ErasureNotFound } from "../../lib/contract/errors.ts";
import { type ChangeCall, changeDeleted } from "../../models/change-user.ts";
import { transaction } from "../../models/database.ts";
import type { UserRow } from "../../models/user.ts";
import { restore } from "./users.deleted.rules.ts";
import { demandData } from "./users.erasure.rules.ts";
import { cancelScheduled } from "./users.erasure.store.ts";
import { refuseTaken } from "./users.store.ts";

/** Deleted users become users again (contract 25). */

/**
 * Restores a deleted user, and cancels the erasure if one is scheduled; a user that is not deleted stays unchanged. The
 * unique indexes decide whether the e-mail and the keycloakId are still free.
 * @throws UserNotFound, UserErased, RestoreTooLate, EmailTaken, KeycloakIdTaken, DependencyUnavailable
 */
export const restoreUser = (ctx: ChangeCall): Promise<UserRow> =>
  restoreWithin(ctx, config.restoreWithinDays, async (tx) => {
    await cancelScheduled(tx, ctx.params.id);
  });

/**
 * Cancels a scheduled erasure and restores the user, however long ago the deletion was.
 * @throws ErasureNotFound, and what `restoreUser` throws
 */
export const cancelErasure = (ctx: ChangeCall): Promise<UserRow> =>
  restoreWithin(ctx, Number.POSITIVE_INFINITY, async (tx) => {
    if (!(await cancelScheduled(tx, ctx.params.id))) throw new ErasureNotFound(ctx.params.id);
  });

async function restoreWithin(
  ctx: ChangeCall,
  days: number,
  also: (tx: Transaction) => Promise<void>,
): Promise<UserRow> {
  let wanted = { email: "", keycloakId: "" };
  const decide = (user: UserRow) => {
    demandData(user);
    wanted = user;
    return restore(user, days, new Date());
  };
  return transaction(async (tx) => {
    const row = await changeDeleted(ctx, decide, tx);
    await also(tx);
    return row;
  }).catch((error) => refuseTaken(wanted)(error));
}
