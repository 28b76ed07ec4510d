import { LRUCache } from "lru-cache";
import type { Transaction } from "sequelize";
import { UserNotFound } from "../lib/contract/errors.ts";
import type { Cause, DomainEvent } from "../lib/contract/events.ts";
import { config } from "../lib/runtime/config.ts";
import { observeStorage } from "../lib/runtime/metrics.ts";
import { query, transaction } from "./database.ts";
import { enqueue, toRecord, wakeRelay } from "./outbox.ts";
import { quotaEvents } from "./quota.rules.ts";
import { type Counter, HIGHEST, OWNED, type Owner, USER_COLUMNS, User, type UserRow } from "./user.ts";

/** The one row that every service reads, and of which each writes its own columns. */

const FIND = {
  name: "find-user",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 AND deleted_at IS NULL`,
};

type Read = Promise<UserRow | undefined>;

/**
 * Rows by id. What is kept is the read itself, from before its query was sent: so a change that commits while the
 * read is under way forgets it too, and no stale row can stay. Below the access check: a hit is checked like a miss.
 */
const cache = config.userCacheMs
  ? new LRUCache<string, Read>({ max: 10_000, ttl: config.userCacheMs })
  : undefined;

/** The user's row, or undefined where there is none (or no longer). `id` in lower case. */
export function findUser(id: string): Read {
  const known = cache?.get(id);
  if (known) return known;
  const read: Read = query<UserRow>(FIND, [id]).then(([row]) => row);
  cache?.set(id, read);
  read.then(
    (row) => row ?? cache?.delete(id),
    () => cache?.delete(id),
  );
  return read;
}

/** Forgets the rows that a transaction changed; to be called after it ended, however it did. */
export function forgetUsers(ids: Iterable<string>): void {
  for (const id of ids) cache?.delete(id);
}

/** What a decision changes: columns to set, counters to add to, events to tell. */
export type Change = {
  set?: Partial<UserRow>;
  add?: Partial<Record<Counter, number>>;
  events?: DomainEvent[];
};

/**
 * Changes one user: locks the row, lets `decide` say what becomes of it, and commits the columns together with the
 * events, those of quotas that the change reaches included. `decide` is pure, as it may run again; undefined: no change.
 * Returns the row as it is then.
 * @throws UserNotFound, DependencyUnavailable, what `decide` throws
 */
export async function changeUser(
  owner: Owner,
  id: string,
  cause: Cause,
  decide: (user: UserRow) => Change | undefined,
): Promise<UserRow> {
  try {
    const { row, told } = await transaction((tx) => changeLocked(tx, owner, id, cause, decide));
    if (told) wakeRelay();
    return row;
  } finally {
    forgetUsers([id]);
  }
}

async function changeLocked(
  tx: Transaction,
  owner: Owner,
  id: string,
  cause: Cause,
  decide: (user: UserRow) => Change | undefined,
): Promise<{ row: UserRow; told: boolean }> {
  const user = await User.findOne({ where: { id, deletedAt: null }, lock: true, transaction: tx });
  if (!user) throw new UserNotFound("ID", id);
  const before = { ...user.get() };
  const change = decide(before);
  if (!change) return { row: before, told: false };

  const { set = {}, add = {}, events = [] } = change;
  const row = { ...before, ...set, ...added(before, add), version: before.version + 1 };
  if (change.set) row.updatedAt = new Date(); // counters alone do not move it (SPEC 1)
  await user.update(row, { fields: fieldsOf(owner, add), transaction: tx });
  const all = [...events, ...quotaEvents(before, row)];
  await enqueue(
    tx,
    all.map((event) => toRecord(event, cause)),
  );
  if (row.storageUsed !== before.storageUsed) observeStorage(id, row.storageUsed);
  return { row, told: all.length > 0 };
}

const added = (before: UserRow, add: Partial<Record<Counter, number>>) =>
  Object.fromEntries(
    Object.entries(add).map(([name, n]) => {
      const counter = name as Counter;
      return [counter, Math.min(before[counter] + n, HIGHEST[counter])];
    }),
  );

/** Each service writes its own columns only; counters are added to by whoever counts. */
const fieldsOf = (owner: Owner, add: Partial<Record<Counter, number>>): (keyof UserRow)[] => [
  ...OWNED[owner],
  ...OWNED.row,
  ...(Object.keys(add) as Counter[]),
];
