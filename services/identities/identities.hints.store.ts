import { query, transaction } from "../../models/database.ts";
import { type PurgeLimits, purge } from "../../models/purge.ts";
import type { Counts, DifferenceKind, Hint } from "./identities.mirror.contract.ts";

/** The hints that people may have changed in Keycloak: a queue that survives crashes (contract 27). */

/** A hint to store. `difference` is what a sweep found; `isRefused`: it waits for a person to decide. */
export type NewHint = Hint & { difference?: DifferenceKind; isRefused?: boolean };

const INSERT = `
  INSERT INTO identity_hints
    (key, keycloak_id, event_id, is_deletion, signed_in_at, difference, due_at, again_at)
  SELECT DISTINCT ON (key) key, keycloak_id, event_id, is_deletion, signed_in_at, difference,
    CASE WHEN is_refused THEN 'infinity' ELSE now() END, now() + again_in * interval '1 ms'
  FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[], $7::boolean[],
    $8::float8[])
    AS hint (key, keycloak_id, event_id, is_deletion, signed_in_at, difference, is_refused, again_in)
  ORDER BY key`;

/** An event that was read before stays as it is. */
const INSERT_NEW = {
  name: "insert-hints",
  text: `${INSERT} ON CONFLICT (key) DO NOTHING RETURNING key`,
};

/** A sweep finds a person again each time. */
const INSERT_FOUND = {
  name: "insert-found-hints",
  text: `${INSERT}
    ON CONFLICT (key) DO UPDATE SET
      received_at = now(), due_at = excluded.due_at, is_deletion = excluded.is_deletion,
      difference = excluded.difference, attempts = 0
    RETURNING key`,
};

const valuesOf = (hints: NewHint[], againInMs: number | null): unknown[] => [
  hints.map(({ key }) => key),
  hints.map(({ keycloakId }) => keycloakId),
  hints.map(({ eventId }) => eventId),
  hints.map(({ kind }) => kind === "deleted"),
  hints.map(({ kind, at }) => (kind === "signed-in" ? at : null)),
  hints.map(({ difference }) => difference),
  hints.map(({ isRefused = false }) => isRefused),
  hints.map(() => againInMs),
];

/**
 * Stores the hints of events, each key once.
 * @param againInMs when the person is read again after the first time; null for never
 * @returns the keys that are new
 * @throws DependencyUnavailable
 */
export async function insertHints(hints: NewHint[], againInMs: number | null): Promise<Set<string>> {
  if (hints.length === 0) return new Set();
  const rows = await query<{ key: string }>(INSERT_NEW, valuesOf(hints, againInMs));
  return new Set(rows.map(({ key }) => key));
}

/** Stores what a sweep of everybody found. @throws DependencyUnavailable */
export async function insertFound(hints: NewHint[]): Promise<void> {
  if (hints.length > 0) await query(INSERT_FOUND, valuesOf(hints, null));
}

const FIND_NEW = {
  name: "find-new-hints",
  text: `
    SELECT key FROM unnest($1::text[], $2::text[]) AS hint (key, keycloak_id)
    WHERE NOT EXISTS (SELECT FROM identity_hints WHERE identity_hints.key = hint.key)
      AND EXISTS (SELECT FROM users WHERE users.keycloak_id = hint.keycloak_id AND deleted_at IS NULL)`,
};

/** The keys of those hints that are not stored yet, and whose person is a user. @throws DependencyUnavailable */
export async function newOfUsers(hints: Hint[]): Promise<Set<string>> {
  const values = [hints.map(({ key }) => key), hints.map(({ keycloakId }) => keycloakId)];
  return new Set((await query<{ key: string }>(FIND_NEW, values)).map(({ key }) => key));
}

/** A hint that is due. */
export type DueHint = {
  key: string;
  keycloakId: string;
  eventId: string | null;
  isDeletion: boolean;
  signedInAt: Date | null;
  attempts: number;
};

const CLAIM = {
  name: "claim-hints",
  text: `
    WITH people AS (
      SELECT keycloak_id FROM identity_hints
      WHERE due_at <= now() AND keycloak_id NOT IN (
        SELECT keycloak_id FROM identity_hints WHERE due_at <= now() AND claimed_until > now()
      )
      ORDER BY due_at LIMIT $1
    ), claimed AS (
      UPDATE identity_hints SET claimed_until = now() + $2 * interval '1 ms'
      WHERE due_at <= now() AND keycloak_id IN (SELECT keycloak_id FROM people) RETURNING *
    )
    SELECT key, keycloak_id AS "keycloakId", event_id AS "eventId", is_deletion AS "isDeletion",
      signed_in_at AS "signedInAt", attempts
    FROM claimed ORDER BY received_at`,
};

const FIND_DUE = { name: "find-due-hint", text: "SELECT FROM identity_hints WHERE due_at <= now() LIMIT 1" };

/** Whether a hint is due, also one that a node is following. @throws DependencyUnavailable */
export const isAnyDue = async (): Promise<boolean> => (await query(FIND_DUE, [])).length > 0;

const RETRY_NOW = {
  name: "retry-hints",
  text: `
    UPDATE identity_hints SET due_at = now()
    WHERE due_at > now() AND due_at <= now() + $1 * interval '1 ms' AND difference IS NOT NULL`,
};

/** Makes the differences due that are due within `ms`. @throws DependencyUnavailable */
export const retryDifferences = (ms: number) => query(RETRY_NOW, [ms]);

/** The advisory lock of a claim; the number is arbitrary. */
const LOCK = { name: "lock-hints", text: "SELECT pg_advisory_xact_lock(8300310)" };

/**
 * Claims all due hints of some people, at most `limit`, and returns them, oldest first. Within `leaseMs` no other node
 * claims a hint of the same people, so that what one has just read of a person is not replaced by what another read
 * before; after that another node does, in case this one dies.
 * @throws DependencyUnavailable
 */
export async function claimHints(limit: number, leaseMs: number): Promise<DueHint[]> {
  if (!(await isAnyDue())) return [];
  return transaction(async (tx) => {
    await query(LOCK, [], tx);
    return query<DueHint>(CLAIM, [limit, leaseMs], tx);
  });
}

/** What became of a hint: it was followed, or what still differs, and in how many ms it is tried again. */
export type Settled = { hint: DueHint; difference?: DifferenceKind | null; tryAgainInMs?: number };

const SETTLE = {
  name: "settle-hints",
  text: `
    UPDATE identity_hints AS hint SET
      due_at = CASE WHEN try_in IS NULL THEN again_at ELSE now() + try_in * interval '1 ms' END,
      again_at = CASE WHEN try_in IS NULL THEN NULL ELSE again_at END,
      claimed_until = NULL,
      attempts = CASE WHEN try_in IS NULL THEN 0 ELSE attempts + 1 END,
      difference = CASE WHEN try_in IS NULL THEN NULL ELSE coalesce(settled.difference, hint.difference) END
    FROM unnest($1::text[], $2::text[], $3::float8[]) AS settled (key, difference, try_in)
    WHERE hint.key = settled.key`,
};
const END_DIFFERENCES = {
  name: "end-differences",
  text: `
    UPDATE identity_hints SET due_at = NULL, difference = NULL
    WHERE keycloak_id = ANY($1) AND key <> ALL($2) AND difference IS NOT NULL AND due_at IS NOT NULL`,
};

/**
 * Records what became of hints. One that was followed is due once more if it is to be read again. What older hints of
 * the person say of differences has ended, unless the person is gone or could not be read.
 * @throws DependencyUnavailable
 */
export async function settleHints(settled: Settled[]): Promise<void> {
  const keys = settled.map(({ hint }) => hint.key);
  await query(SETTLE, [
    keys,
    settled.map(({ difference }) => difference ?? null),
    settled.map(({ tryAgainInMs }) => tryAgainInMs ?? null),
  ]);
  const seen = settled.filter(({ difference, tryAgainInMs }) =>
    difference ? difference !== "gone" : tryAgainInMs === undefined,
  );
  if (seen.length > 0) await query(END_DIFFERENCES, [seen.map(({ hint }) => hint.keycloakId), keys]);
}

/** Ends the hints of earlier sweeps that a sweep of everybody did not find again. @throws DependencyUnavailable */
export const endNotFound = (since: Date) =>
  query(
    {
      name: "end-hints",
      text: `
        UPDATE identity_hints SET due_at = NULL, difference = NULL
        WHERE received_at < $1 AND due_at IS NOT NULL AND (key LIKE 'sweep:%' OR due_at = 'infinity')`,
    },
    [since],
  );

const IS_ERASED =
  "EXISTS (SELECT FROM erasures WHERE keycloak_digest = sha256(convert_to(keycloak_id, 'UTF8')))";

/**
 * Deletes hints that are done: after 30 days, because their topics keep their events for 7, and at once if they name a
 * person who was erased here before.
 * @throws DependencyUnavailable
 */
export const purgeHints = (limits?: PurgeLimits): Promise<void> =>
  purge(
    "identity_hints",
    `due_at IS NULL AND (received_at < now() - interval '30 days' OR ${IS_ERASED})`,
    limits,
  );

const COUNT_DIFFERENCES = {
  name: "count-differences",
  text: `
    SELECT difference AS kind, count(DISTINCT keycloak_id)::float8 AS people FROM identity_hints
    WHERE due_at IS NOT NULL AND difference IS NOT NULL GROUP BY difference`,
};

/** How many people are known to differ from Keycloak, by kind. @throws DependencyUnavailable */
export async function countDifferences(): Promise<Counts> {
  const counted = await query<{ kind: DifferenceKind; people: number }>(COUNT_DIFFERENCES, []);
  const known = Object.fromEntries(counted.map(({ kind, people }) => [kind, people]));
  return { missing: 0, gone: 0, name: 0, email: 0, status: 0, ...known };
}
