import type { Transaction } from "sequelize";
import { UserNotFound, VersionConflict } from "../lib/contract/errors.ts";
import { observeStorage } from "../lib/runtime/metrics.ts";
import { causeOf } from "../lib/tracing/cause.ts";
import type { DomainEvent } from "../services/contracts.ts";
import type { Counter, CounterChanges } from "../services/stats/stats.contract.ts";
import { transaction } from "./database.ts";
import { enqueue, toRecord, wakeRelay } from "./outbox.ts";
import { quotaEvents } from "./quota.rules.ts";
import { HIGHEST, OWNED, type Owner, User, type UserRow } from "./user.ts";
import { forgetUsers, reportVersion } from "./user-row.ts";

/** The only way to change a user: lock, decide, save, publish. */

/** A decided change: columns to set, counters to add to, events to publish. */
export type Change = {
  set?: Partial<UserRow>;
  add?: CounterChanges;
  events?: DomainEvent[];
};

/** The call of an action that changes a user. With `ifVersion`, it changes only a row of that version. */
export type ChangeCall = Parameters<typeof causeOf>[0] & { params: { id: string; ifVersion?: number } };

/**
 * Changes one user: locks the row, asks `decide` for the change, saves it, and publishes its events, and
 * the quota events that follow from it, in the same transaction. Reports the row's version to the caller.
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
  decide: (user: UserRow) => Change | undefined,
  within?: Transaction,
): Promise<UserRow> {
  const change = (tx: Transaction) => changeLocked(tx, owner, ctx, decide);
  return reportVersion(ctx, await (within ? change(within) : transaction(change)));
}

async function changeLocked(
  tx: Transaction,
  owner: Owner,
  ctx: ChangeCall,
  decide: (user: UserRow) => Change | undefined,
): Promise<UserRow> {
  const { id, ifVersion } = ctx.params;
  const user = await User.findOne({ where: { id, deletedAt: null }, lock: true, transaction: tx });
  if (!user) throw new UserNotFound("ID", id);
  const before = { ...user.get() };
  const change = decide(before); // what does not exist is reported before a conflict (contract 3)
  if (ifVersion !== undefined && ifVersion !== before.version) throw new VersionConflict();
  if (!change) return before;

  const { set = {}, add = {}, events = [] } = change;
  const row = { ...before, ...set, ...added(before, add), version: before.version + 1 };
  if (change.set) row.updatedAt = new Date(); // counters alone do not change it (contract 1)
  await user.update(row, { fields: fieldsOf(owner, add), transaction: tx });
  const all = [...events, ...quotaEvents(before, row)];
  const cause = causeOf(ctx);
  await enqueue(
    tx,
    all.map((event) => toRecord(event, cause)),
  );
  tx.afterCommit(() => {
    if (row.storageUsed !== before.storageUsed) observeStorage(id, row.storageUsed);
    forgetUsers([id]);
    if (all.length > 0) wakeRelay();
  });
  return row;
}

const added = (before: UserRow, add: CounterChanges) =>
  Object.fromEntries(
    Object.entries(add).map(([name, n]) => {
      const counter = name as Counter;
      return [counter, Math.min(before[counter] + n, HIGHEST[counter])];
    }),
  );

/** Each service writes its own columns only; any service may add to counters. */
const fieldsOf = (owner: Owner, add: CounterChanges): (keyof UserRow)[] => [
  ...OWNED[owner],
  ...OWNED.row,
  ...(Object.keys(add) as Counter[]),
];
