import { LRUCache } from "lru-cache";
import type { Meta } from "../lib/contract/caller.ts";
import { config } from "../lib/runtime/config.ts";
import { query } from "./database.ts";
import { USER_COLUMNS, type UserRow } from "./user.ts";

/** Finds and caches a user's row, which every service reads. */

const FIND = {
  name: "find-user",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = $1 AND deleted_at IS NULL`,
};

type Read = Promise<UserRow | undefined>;

/**
 * Reads by id. The promise is cached before its query is sent, so a change that commits during the read removes it from
 * the cache too, and no stale row can stay. The cache is below the access check: a hit is checked like a miss.
 */
const cache = config.userCacheMs
  ? new LRUCache<string, Read>({ max: 10_000, ttl: config.userCacheMs })
  : undefined;

/**
 * @param id in lower case
 * @returns the user's row, or undefined if there is none or the user is deleted
 * @throws DependencyUnavailable
 */
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

/** Reports the version of the row that an action answers with to its caller (contract 20). Returns the row. */
export function reportVersion({ meta }: { meta: Meta }, row: UserRow): UserRow {
  meta.version = row.version;
  return row;
}

/** Removes the rows that a transaction changed from the cache; to be called after its commit, also if that failed. */
export function forgetUsers(ids: Iterable<string>): void {
  for (const id of ids) cache?.delete(id);
}
