import { query, type Statement } from "../../models/database.ts";
import { USER_COLUMNS, type UserRow } from "../../models/user.ts";
import type { Hint } from "./identities.mirror.contract.ts";
import { type Applied, type Seen, withApplied } from "./identities.mirror.rules.ts";

/** The statements of the comparison with Keycloak (contract 27). */

/** A user, and what Keycloak had at the last comparison or change. */
export type Known = { user: UserRow; seen?: Seen };

/** What was seen is noted after the change: if that failed, the history has what was applied. */
const FIND = {
  name: "find-known",
  text: `
    SELECT ${USER_COLUMNS}, seen, (
      SELECT jsonb_object_agg(key, value -> 'to' ORDER BY version)
      FROM user_history, jsonb_each(changes)
      WHERE user_id = users.id AND by_kind = 'keycloak' AND version > (seen ->> 'version')::bigint
    ) AS applied
    FROM users LEFT JOIN identities ON identities.user_id = users.id
    WHERE keycloak_id = ANY($1) AND deleted_at IS NULL`,
};
type Found = UserRow & { seen: Seen | null; applied: Applied | null };

/** The users with these keycloakIds, by keycloakId. @throws DependencyUnavailable */
export async function findKnown(keycloakIds: string[]): Promise<Map<string, Known>> {
  const rows = await query<Found>(FIND, [keycloakIds]);
  return new Map(
    rows.map(({ seen, applied, ...user }) => [
      user.keycloakId,
      { user, seen: seen ? withApplied(seen, applied ?? {}) : undefined },
    ]),
  );
}

const FIND_DELETED = {
  name: "find-deleted",
  text: `
    SELECT given FROM unnest($1::text[]) AS given
    WHERE EXISTS (SELECT FROM users WHERE keycloak_id = given AND deleted_at IS NOT NULL)
      OR EXISTS (SELECT FROM erasures WHERE keycloak_digest = sha256(convert_to(given, 'UTF8')))`,
};

/** Those of these keycloakIds that a user had who was deleted or erased here. @throws DependencyUnavailable */
export async function findDeleted(keycloakIds: string[]): Promise<Set<string>> {
  if (keycloakIds.length === 0) return new Set();
  const rows = await query<{ given: string }>(FIND_DELETED, [keycloakIds]);
  return new Set(rows.map(({ given }) => given));
}

/** What a comparison found, and the version of the user that it read. */
export type Compared = {
  userId: string;
  version: number;
  emailVerified: boolean;
  seen?: Seen;
  signedInAt?: Date | null;
};

/**
 * The lock is against an erasure that runs.
 * @param seen SQL that decides between what was seen now, `excluded.seen`, and before, `identities.seen`
 */
const noteStatement = (name: string, seen: string) => ({
  name,
  text: `
    INSERT INTO identities (user_id, email_verified, seen, last_seen_at, last_synced_at)
    SELECT user_id, email_verified, seen, last_seen_at, now()
    FROM unnest($1::uuid[], $2::boolean[], $3::jsonb[], $4::timestamptz[])
      AS compared (user_id, email_verified, seen, last_seen_at)
    JOIN users ON users.id = user_id AND deleted_at IS NULL
    ORDER BY user_id FOR KEY SHARE OF users
    ON CONFLICT (user_id) DO UPDATE SET
      email_verified = excluded.email_verified,
      seen = ${seen},
      last_seen_at = greatest(excluded.last_seen_at, identities.last_seen_at),
      last_synced_at = excluded.last_synced_at`,
});
const NOTE_MIRRORED = noteStatement("note-mirrored", "excluded.seen");
const NOTE_LISTED = noteStatement("note-listed", "coalesce(identities.seen, excluded.seen)");

/** Remembers what Keycloak had when a person was mirrored. @throws DependencyUnavailable */
export const noteMirrored = (compared: Compared) => note(NOTE_MIRRORED, [compared]);

/**
 * Remembers when users were compared with a list, and what it had of those who were never compared before: the list may
 * be older than what was mirrored meanwhile.
 * @throws DependencyUnavailable
 */
export const noteListed = (compared: Compared[]) => note(NOTE_LISTED, compared);

async function note(statement: Statement, compared: Compared[]): Promise<void> {
  if (compared.length === 0) return;
  await query(statement, [
    compared.map(({ userId }) => userId),
    compared.map(({ emailVerified }) => emailVerified),
    compared.map(({ seen, version }) => seen && JSON.stringify({ ...seen, version })),
    compared.map(({ signedInAt }) => signedInAt),
  ]);
}

const SIGN_IN = {
  name: "note-sign-ins",
  text: `
    WITH given AS (
      SELECT keycloak_id, max(least(at, now())) AS at FROM unnest($1::text[], $2::timestamptz[]) AS given (keycloak_id, at)
      GROUP BY keycloak_id
    ), known AS (
      SELECT id, keycloak_id, coalesce(at, now()) AS at FROM users JOIN given USING (keycloak_id) WHERE deleted_at IS NULL
      ORDER BY id FOR KEY SHARE OF users
    ), noted AS (
      INSERT INTO identities (user_id, last_seen_at) SELECT id, at FROM known
      ON CONFLICT (user_id) DO UPDATE
      SET last_seen_at = greatest(excluded.last_seen_at, identities.last_seen_at)
    )
    SELECT keycloak_id AS "keycloakId" FROM known`,
};

/** Notes when users signed in. @returns the keycloakIds of those who are users. @throws DependencyUnavailable */
export async function noteSignIns(hints: Hint[]): Promise<Set<string>> {
  if (hints.length === 0) return new Set();
  const values = [hints.map(({ keycloakId }) => keycloakId), hints.map(({ at }) => at)];
  const rows = await query<{ keycloakId: string }>(SIGN_IN, values);
  return new Set(rows.map(({ keycloakId }) => keycloakId));
}

const FIND_GONE = {
  name: "find-gone",
  text: `
    SELECT keycloak_id AS "keycloakId", id AS "userId" FROM users
    LEFT JOIN identities ON identities.user_id = users.id
    WHERE deleted_at IS NULL AND created_at < $1 AND (last_synced_at IS NULL OR last_synced_at < $1)
    ORDER BY id`,
};

/** The users whom a sweep of everybody that began at `since` did not find in Keycloak. @throws DependencyUnavailable */
export const findGone = (since: Date): Promise<{ keycloakId: string; userId: string }[]> =>
  query(FIND_GONE, [since]);

/** The number of users. @throws DependencyUnavailable */
export async function countUsers(): Promise<number> {
  const text = "SELECT count(*) AS count FROM users WHERE deleted_at IS NULL";
  return (await query<{ count: number }>({ name: "count-users", text }, []))[0]?.count ?? 0;
}

/** The time of the database, by which sweeps are dated. @throws DependencyUnavailable */
export async function databaseTime(): Promise<Date> {
  const [row] = await query<{ now: Date }>(
    { name: "database-time", text: "SELECT now()::timestamptz(3) AS now" },
    [],
  );
  return row?.now ?? new Date();
}
