import type { Transaction } from "sequelize";
import { UserNotFound } from "../../lib/contract/errors.ts";
import type { Resource } from "../../lib/contract/resource.ts";
import { findInBatches } from "../../lib/runtime/batch.ts";
import { query, type Statement } from "../../models/database.ts";
import { type PurgeLimits, purge } from "../../models/purge.ts";
import { HIGHEST, type UserRow } from "../../models/user.ts";
import type { CountedEvent, Counter } from "./stats.contract.ts";
import type { Totals } from "./stats.rules.ts";

/** The consumer's name in processed_events (contract 5). */
const CONSUMER = "user-service";

/** The columns needed for counting. Reading whole rows, twice, took a third of a batch's work in Node (measured). */
type Counters = Pick<
  UserRow,
  "id" | "interviewsCreated" | "maxInterviews" | "storageUsed" | "maxStorage" | "deletedAt"
>;
const COUNTERS = `
  id, interviews_created AS "interviewsCreated", max_interviews AS "maxInterviews",
  storage_used AS "storageUsed", max_storage AS "maxStorage", deleted_at AS "deletedAt"`;

const lockStatement = (name: string, others = "") => ({
  name,
  text: `SELECT ${COUNTERS} FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE ${others}`,
});
const LOCK = lockStatement("lock-users");
const LOCK_FREE = lockStatement("lock-free-users", "SKIP LOCKED");

const lockWith =
  (statement: Statement) =>
  async (tx: Transaction, ids: string[]): Promise<Map<string, Counters>> => {
    const rows = await query<Counters>(statement, [ids], tx);
    return new Map(rows.map((row) => [row.id, row]));
  };

/**
 * The users with these ids, including deleted ones, locked in the order of their ids to prevent deadlocks between
 * batches.
 */
export const lockUsers = lockWith(LOCK);

/** The same, without those that somebody else has locked. */
export const lockFreeUsers = lockWith(LOCK_FREE);

/** A user's use, reservations and limits, in interviews and bytes. Null is unlimited. */
export type Usage = Pick<
  UserRow,
  "id" | "version" | "interviewsCreated" | "maxInterviews" | "storageUsed" | "maxStorage"
> & {
  reservedInterviews: number;
  reservedStorage: number;
};

/** The sum of a resource's open reservations, limited to numbers that are exact in JSON. */
const reservedOf = (resource: Resource) =>
  `least(coalesce(sum(amount) FILTER (WHERE resource = '${resource}'), 0), ${Number.MAX_SAFE_INTEGER})::bigint`;

const FIND_USAGE = {
  name: "find-usage",
  text: `
    SELECT ${COUNTERS}, version, reserved.interviews AS "reservedInterviews", reserved.storage AS "reservedStorage"
    FROM users CROSS JOIN LATERAL (
      SELECT ${reservedOf("interviews")} AS interviews, ${reservedOf("storage")} AS storage
      FROM quota_reservations
      WHERE user_id = users.id AND state = 'open' AND expires_at > statement_timestamp()
    ) AS reserved
    WHERE id = ANY($1::uuid[])`,
};

type AnyUsage = Usage & Pick<UserRow, "deletedAt">;

const readUsages = (ids: string[], tx?: Transaction): Promise<AnyUsage[]> =>
  query<AnyUsage>(FIND_USAGE, [ids], tx);

/** Reads at the same moment share one query. */
const readUsage = findInBatches(
  (ids) => readUsages(ids),
  ({ id }) => id,
);

/**
 * Reads use, reservations and limits at one moment.
 * @throws UserNotFound, DependencyUnavailable
 */
export async function findUsage(id: string, tx?: Transaction): Promise<Usage> {
  const usage = await findAnyUsage(id, tx);
  if (usage.deletedAt) throw new UserNotFound("ID", id);
  return usage;
}

/**
 * The same, also of a deleted user.
 * @throws UserNotFound, DependencyUnavailable
 */
export async function findAnyUsage(id: string, tx?: Transaction): Promise<AnyUsage> {
  const usage = tx ? (await readUsages([id], tx))[0] : await readUsage(id);
  if (!usage) throw new UserNotFound("ID", id);
  return usage;
}

/** Records events as processed. Returns the keys that are new, each once. */
export async function insertProcessed(tx: Transaction, events: CountedEvent[]): Promise<Set<string>> {
  const rows = await query<{ key: string }>(
    {
      name: "insert-processed",
      text: `
        INSERT INTO processed_events (event_id, service_name, topic)
        SELECT key, $3, topic FROM unnest($1::text[], $2::text[]) AS event (key, topic) ORDER BY key
        ON CONFLICT ON CONSTRAINT unique_event_per_service DO NOTHING
        RETURNING event_id AS key`,
    },
    [events.map(({ key }) => key), events.map(({ topic }) => topic), CONSUMER],
    tx,
  );
  return new Set(rows.map(({ key }) => key));
}

/** A counter's sum, limited to its range. */
const saturated = (counter: Counter, sum: string) =>
  `least(greatest(${sum}, -${HIGHEST[counter]}), ${HIGHEST[counter]})`;

/** Adds to the counters of many users at once; returns the new values. */
export async function addToCounters(tx: Transaction, sums: Map<string, Totals>): Promise<Counters[]> {
  const added = [...sums.values()];
  return query<Counters>(
    {
      name: "add-to-counters",
      text: `
        UPDATE users SET
          interviews_created = ${saturated("interviewsCreated", "interviews_created + added.created")},
          interviews_active = ${saturated("interviewsActive", "interviews_active + added.active")},
          candidates_total = ${saturated("candidatesTotal", "candidates_total + added.candidates")},
          storage_used = ${saturated("storageUsed", "storage_used + added.bytes")},
          version = version + 1
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::numeric[], $5::numeric[])
          AS added (user_id, created, active, candidates, bytes)
        WHERE id = added.user_id
        RETURNING ${COUNTERS}`,
    },
    [
      [...sums.keys()],
      added.map((sum) => sum.interviewsCreated),
      added.map((sum) => sum.interviewsActive),
      added.map((sum) => sum.candidatesTotal),
      added.map((sum) => sum.storageUsed),
    ],
    tx,
  );
}

/**
 * Deletes processed events older than 30 days (contract 5): their topics keep them for 7.
 * @throws DependencyUnavailable; rows deleted before the failure stay deleted
 */
export const purgeProcessed = (limits?: PurgeLimits): Promise<void> =>
  purge("processed_events", "processed_at < now() - interval '30 days'", limits);
