import { LRUCache } from "lru-cache";
import type { Transaction } from "sequelize";
import { config } from "../lib/config/config.ts";
import type { Meta } from "../lib/contract/caller.ts";
import { emailKey } from "../lib/contract/email.ts";
import { endOfTurn, findInBatches, inBatches } from "../lib/runtime/batch.ts";
import { query } from "./database.ts";
import { USER_COLUMNS, type UserRow } from "./user.ts";

/** Finds and caches a user's row, which every service reads. */

type Read = Promise<UserRow | undefined>;

/**
 * Reads by id. The promise is cached before its query is sent: a change that commits during the read removes it too, so
 * no stale row can stay. The access check is above the cache, so a cached row is checked like any other.
 */
const cache = config.userCacheMs
  ? new LRUCache<string, Read>({ max: 10_000, ttl: config.userCacheMs })
  : undefined;

const FIND = {
  name: "find-users",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY($1) AND deleted_at IS NULL`,
};

const readUsers = (ids: string[]): Promise<UserRow[]> => query<UserRow>(FIND, [ids]);

/** Reads at the same moment share one query. */
const readUser = findInBatches(readUsers, ({ id }) => id);

/**
 * A cached row comes at the end of the turn too. The requests of a turn are then all read before the first is answered,
 * which takes half the CPU time of reading and answering them in turns (measured).
 * @param id in lower case
 * @returns the user's row, or undefined if there is none or the user is deleted
 * @throws DependencyUnavailable
 */
export function findUser(id: string): Read {
  const known = cache?.get(id);
  if (known) return endOfTurn().then(() => known);
  const read = readUser(id);
  cache?.set(id, read);
  read.then(
    (row) => row ?? cache?.delete(id),
    () => cache?.delete(id),
  );
  return read;
}

const FIND_ANY = { name: "find-any-user", text: `SELECT ${USER_COLUMNS} FROM users WHERE id = $1` };

/**
 * Reads the current row; nothing is cached.
 * @param id in lower case
 * @returns the user's row, also if the user is deleted
 * @throws DependencyUnavailable
 */
export async function findAnyUser(id: string): Read {
  const [row] = await query<UserRow>(FIND_ANY, [id]);
  return row;
}

/**
 * @param ids in lower case
 * @returns the rows of those users that exist and are not deleted
 * @throws DependencyUnavailable
 */
export async function findUsers(ids: string[]): Promise<UserRow[]> {
  if (ids.length === 0) return [];
  if (!cache) return readUsers(ids);
  return (await Promise.all(ids.map(findUser))).filter((row) => row !== undefined);
}

const FIND_BY_KEYCLOAK_ID = {
  name: "find-users-by-keycloak-id",
  text: `SELECT ${USER_COLUMNS} FROM users WHERE keycloak_id = ANY($1::text[]) AND deleted_at IS NULL`,
};

/**
 * Reads the current rows; nothing is cached.
 * @returns the rows of those users that exist and are not deleted
 * @throws DependencyUnavailable
 */
export const findUsersByKeycloakId = async (keycloakIds: string[]): Promise<UserRow[]> =>
  keycloakIds.length > 0 ? query<UserRow>(FIND_BY_KEYCLOAK_ID, [keycloakIds]) : [];

/**
 * The current row of one user. Reads at the same moment share one query.
 * @returns undefined if there is no such user, or the user is deleted
 * @throws DependencyUnavailable
 */
export const findUserByKeycloakId = findInBatches(findUsersByKeycloakId, ({ keycloakId }) => keycloakId);

const FIND_BY_EMAIL = {
  name: "find-users-by-email",
  text: `
    SELECT ${USER_COLUMNS} FROM users
    WHERE deleted_at IS NULL
      AND email_key(email) = ANY(ARRAY(SELECT email_key(given) FROM unnest($1::text[]) AS given))`,
};

/**
 * Reads the current rows; nothing is cached.
 * @returns the rows of those users that exist and are not deleted
 * @throws DependencyUnavailable
 */
export const findUsersByEmail = async (emails: string[]): Promise<UserRow[]> =>
  emails.length > 0 ? query<UserRow>(FIND_BY_EMAIL, [emails]) : [];

/**
 * The current row of one user. Reads at the same moment share one query.
 * @returns undefined if there is no such user, or the user is deleted
 * @throws DependencyUnavailable
 */
export const findUserByEmail = findInBatches(findUsersByEmail, ({ email }) => email, emailKey);

const FIND_SUSPENDED = {
  name: "find-suspended",
  text: `
    SELECT keycloak_id AS "keycloakId" FROM users
    WHERE keycloak_id = ANY($1::text[]) AND status = 'suspended' AND deleted_at IS NULL`,
};

/**
 * Whether the user with this keycloakId is suspended. Reads at the same moment share one query.
 * @throws DependencyUnavailable
 */
export const isSuspended = inBatches(async (keycloakIds: string[]) => {
  const rows = await query<Pick<UserRow, "keycloakId">>(FIND_SUSPENDED, [[...new Set(keycloakIds)]]);
  const suspended = new Set(rows.map(({ keycloakId }) => keycloakId));
  return keycloakIds.map((keycloakId) => suspended.has(keycloakId));
});

const LAST_DELETION = {
  name: "last-deletion",
  text: `
    SELECT max(deleted_at) AS at FROM (
      SELECT deleted_at FROM users WHERE keycloak_id = $1 AND deleted_at IS NOT NULL
      UNION ALL
      SELECT deleted_at FROM users JOIN erasures ON erasures.user_id = users.id
      WHERE keycloak_digest = sha256(convert_to($1, 'UTF8'))
    ) AS deleted`,
};

/**
 * When a user with this keycloakId was last deleted, also one who was erased since.
 * @returns undefined if there never was one
 * @throws DependencyUnavailable
 */
export async function lastDeletion(keycloakId: string, tx?: Transaction): Promise<Date | undefined> {
  const [last] = await query<{ at: Date | null }>(LAST_DELETION, [keycloakId], tx);
  return last?.at ?? undefined;
}

/** Reports the version of the row that an action answers with to its caller (contract 20). Returns the row. */
export function reportVersion<Row extends Pick<UserRow, "version">>({ meta }: { meta: Meta }, row: Row): Row {
  meta.version = row.version;
  return row;
}

/** Removes the rows that a transaction changed from the cache. Call it after the commit, even if that failed. */
export function forgetUsers(ids: Iterable<string>): void {
  for (const id of ids) cache?.delete(id);
}
