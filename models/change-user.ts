import type { Transaction } from "sequelize";
import { UserNotFound, VersionConflict } from "../lib/contract/errors.ts";
import { observeStorage } from "../lib/runtime/metrics.ts";
import { causeOf, type TracedCall } from "../lib/tracing/cause.ts";
import type { DomainEvent } from "../services/contracts.ts";
import type { Counter, CounterChanges } from "../services/stats/stats.contract.ts";
import { query, transaction } from "./database.ts";
import { entriesOf } from "./history.ts";
import { toRecord, wakeRelay } from "./outbox.ts";
import { quotaEvents } from "./quota.rules.ts";
import { type Decided, saveAlone, saveTogether, type Writer } from "./save-user.ts";
import { HIGHEST, type Owner, USER_COLUMNS, type UserRow } from "./user.ts";
import { findUser, forgetUsers, reportVersion } from "./user-row.ts";
import { inTurn } from "./user-turn.ts";

/** The only way to change a user: decide, save, record, publish. */

/** A decided change: columns to set, counters to add to, the event to publish. */
export type Change = {
  set?: Partial<UserRow>;
  add?: CounterChanges;
  event?: DomainEvent;
};

/**
 * The call of an action that changes a user. With `ifVersion` it changes only a row of that version.
 * `locals.user` is the row as the access check read it, if it did.
 */
export type ChangeCall = TracedCall & {
  params: { id: string; ifVersion?: number };
  locals?: { user?: UserRow };
};

type Decide = (user: UserRow) => Change | undefined;

/**
 * Changes one user. In the same transaction it records the change in the history, and publishes its event and the quota
 * events that follow from it. Reports the row's version to the caller. The change is decided on a row that is not
 * locked, as the access check or this function read it, and shares one statement with others of the same moment; if
 * that row is outdated, it is decided again on the locked row.
 *
 * @param owner the service that makes the change: only its columns and counters are written
 * @param decide pure, because it may run again; returns undefined if nothing changes
 * @param within the transaction that the change belongs to; without it, a new one
 * @returns the row after the change
 * @throws UserNotFound, what `decide` throws, VersionConflict, DependencyUnavailable
 */
export async function changeUser(
  owner: Owner,
  ctx: ChangeCall,
  decide: Decide,
  within?: Transaction,
): Promise<UserRow> {
  const locked = (tx: Transaction) => changeLocked(tx, owner, ctx, decide);
  const row = within
    ? await locked(within)
    : ((await changeRead(owner, ctx, decide)) ?? (await inTurn(ctx.params.id, () => transaction(locked))));
  return reportVersion(ctx, row);
}

/**
 * Changes a user, deleted or not, on the locked row. The columns of `users`, `avatars` and `identities` are written,
 * because no other action changes a deleted user.
 * @param decide pure; returns undefined if nothing changes
 * @returns the row after the change
 * @throws UserNotFound if there never was such a user, what `decide` throws, DependencyUnavailable
 */
export const changeDeleted = async (ctx: ChangeCall, decide: Decide, tx: Transaction): Promise<UserRow> =>
  reportVersion(ctx, await changeLocked(tx, "deleted", ctx, decide));

/** Returns undefined if nothing was saved, because an error or "no change" may only be due to an outdated row. */
async function changeRead(owner: Owner, ctx: ChangeCall, decide: Decide): Promise<UserRow | undefined> {
  const before = ctx.locals?.user ?? (await findUser(ctx.params.id));
  const change = before && decideSafely(before, ctx, decide);
  if (!change) return undefined;
  const together = change.row.email === before.email; // a new e-mail may have to wait for another transaction
  try {
    const saved = await (together ? saveTogether[owner](change) : saveAlone(owner, change));
    if (!saved) return undefined;
  } finally {
    forgetUsers([before.id]);
  }
  announce(before, change);
  return change.row;
}

function decideSafely(...args: Parameters<typeof decideOn>): Decided | undefined {
  try {
    return decideOn(...args);
  } catch {
    return undefined;
  }
}

async function changeLocked(
  tx: Transaction,
  owner: Writer,
  ctx: ChangeCall,
  decide: Decide,
): Promise<UserRow> {
  const { id } = ctx.params;
  const [before] = await query<UserRow>(owner === "deleted" ? LOCK_ANY : LOCK, [id], tx);
  if (!before) throw new UserNotFound("ID", id);
  const change = decideOn(before, ctx, decide);
  if (!change) return before;
  await saveAlone(owner, change, tx);
  tx.afterCommit(() => {
    forgetUsers([id]);
    announce(before, change);
  });
  return change.row;
}

/** Runs after the commit. */
function announce(before: UserRow, { row, records }: Decided): void {
  if (records.length > 0) wakeRelay();
  if (row.storageUsed !== before.storageUsed) observeStorage(row.id, row.storageUsed);
}

const LOCK = {
  name: "lock-user",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`,
};

const LOCK_ANY = {
  name: "lock-any-user",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 FOR UPDATE`,
};

/** @throws what `decide` throws, VersionConflict */
function decideOn(before: UserRow, ctx: ChangeCall, decide: Decide): Decided | undefined {
  const { ifVersion } = ctx.params;
  const change = decide(before); // what does not exist is reported before a conflict (contract 3)
  if (ifVersion !== undefined && ifVersion !== before.version) throw new VersionConflict();
  if (!change) return undefined;
  const { set, add = {}, event } = change;
  const row = { ...before, ...set, ...added(before, add), version: before.version + 1 };
  if (set) row.updatedAt = notBefore(before.updatedAt); // counters alone do not change it (contract 1)
  const cause = causeOf(ctx);
  const own = event && toRecord(event, cause);
  const quotas = quotaEvents(before, row).map((reached) => toRecord(reached, cause));
  return {
    row,
    records: own ? [own, ...quotas] : quotas,
    entries: entriesOf(ctx, before, row, own?.eventId),
  };
}

/** Now. The clocks of nodes differ, and the times in a user's history must not go back. */
const notBefore = (last: Date) => new Date(Math.max(Date.now(), last.getTime()));

const added = (before: UserRow, add: CounterChanges) =>
  Object.fromEntries(
    Object.entries(add).map(([name, n]) => {
      const counter = name as Counter;
      return [counter, Math.min(before[counter] + n, HIGHEST[counter])];
    }),
  );
