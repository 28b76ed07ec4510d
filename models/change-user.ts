import type { Transaction } from "sequelize";
import { UserNotFound } from "../lib/contract/errors.ts";
import type { Cause } from "../lib/contract/events.ts";
import { observeStorage } from "../lib/runtime/metrics.ts";
import type { DomainEvent } from "../services/contracts.ts";
import { transaction } from "./database.ts";
import { enqueue, toRecord, wakeRelay } from "./outbox.ts";
import { quotaEvents } from "./quota.rules.ts";
import { type Counter, HIGHEST, OWNED, type Owner, User, type UserRow } from "./user.ts";
import { forgetUsers } from "./user-row.ts";

/** The one way to change a user: lock, decide, save, publish. */

/** What a decision changes: columns to set, counters to add to, events to publish. */
export type Change = {
  set?: Partial<UserRow>;
  add?: Partial<Record<Counter, number>>;
  events?: DomainEvent[];
};

/**
 * Changes one user: locks the row, asks `decide` for the change, saves it, and publishes its events in the same
 * transaction, together with the quota events that follow from it.
 *
 * @param owner the service that asks: only its columns and counters are written
 * @param decide pure, as it may run again; returns undefined if nothing changes
 * @param within the transaction that the change belongs to; without it, one of its own
 * @returns the row after the change
 * @throws UserNotFound, DependencyUnavailable, what `decide` throws
 */
export async function changeUser(
  owner: Owner,
  id: string,
  cause: Cause,
  decide: (user: UserRow) => Change | undefined,
  within?: Transaction,
): Promise<UserRow> {
  const change = (tx: Transaction) => changeLocked(tx, owner, id, cause, decide);
  return within ? change(within) : transaction(change);
}

async function changeLocked(
  tx: Transaction,
  owner: Owner,
  id: string,
  cause: Cause,
  decide: (user: UserRow) => Change | undefined,
): Promise<UserRow> {
  const user = await User.findOne({ where: { id, deletedAt: null }, lock: true, transaction: tx });
  if (!user) throw new UserNotFound("ID", id);
  const before = { ...user.get() };
  const change = decide(before);
  if (!change) return before;

  const { set = {}, add = {}, events = [] } = change;
  const row = { ...before, ...set, ...added(before, add), version: before.version + 1 };
  if (change.set) row.updatedAt = new Date(); // counters alone do not move it (contract 1)
  await user.update(row, { fields: fieldsOf(owner, add), transaction: tx });
  const all = [...events, ...quotaEvents(before, row)];
  await enqueue(
    tx,
    all.map((event) => toRecord(event, cause)),
  );
  if (row.storageUsed !== before.storageUsed) observeStorage(id, row.storageUsed);
  tx.afterCommit(() => {
    forgetUsers([id]);
    if (all.length > 0) wakeRelay();
  });
  return row;
}

const added = (before: UserRow, add: Partial<Record<Counter, number>>) =>
  Object.fromEntries(
    Object.entries(add).map(([name, n]) => {
      const counter = name as Counter;
      return [counter, Math.min(before[counter] + n, HIGHEST[counter])];
    }),
  );

/** Each service writes its own columns only; any service may add to counters. */
const fieldsOf = (owner: Owner, add: Partial<Record<Counter, number>>): (keyof UserRow)[] => [
  ...OWNED[owner],
  ...OWNED.row,
  ...(Object.keys(add) as Counter[]),
];
