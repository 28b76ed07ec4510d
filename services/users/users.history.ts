import { UserNotFound, VersionNotFound } from "../../lib/contract/errors.ts";
import { query } from "../../models/database.ts";
import { asItWas } from "../../models/history.rules.ts";
import { type PurgeLimits, purge } from "../../models/purge.ts";
import { USER_COLUMNS, type UserRow } from "../../models/user.ts";
import type { Actor, HistoryListing, HistoryPage, Past, Value } from "./users.contract.ts";
import { cutToOneMessage } from "./users.message.ts";
import { type EntryRow, presentEntry } from "./users.presenter.ts";
import { isKnown } from "./users.rules.ts";

/** Reads the history of users (contract 24). */

const FIND_ENTRIES = {
  name: "find-history",
  text: `
    SELECT version, at, by_kind AS kind, by_id AS "by", event_id AS "eventId", trace_id AS "traceId", changes
    FROM user_history WHERE user_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3`,
};

/**
 * One page of a user's history, newest first. It has fewer entries than asked for if they would not fit one message.
 * @param show how the caller sees who made a change
 * @throws DependencyUnavailable
 */
export async function listHistory(
  { id, limit, cursor = String(Number.MAX_SAFE_INTEGER) }: HistoryListing,
  show: (actor: Actor) => Actor,
): Promise<HistoryPage> {
  const rows = await query<EntryRow>(FIND_ENTRIES, [id, cursor, limit + 1]);
  const items = rows.slice(0, limit).map((row) => presentEntry(row, show));
  const page = cutToOneMessage(items, (entry) => Buffer.byteLength(JSON.stringify(entry)));
  const last = rows.length > page.length ? page.at(-1) : undefined;
  return { items: page, nextCursor: last ? String(last.version) : null };
}

/**
 * `wanted` is the asked version, or the newest one that is not later than the asked time. The first value that each
 * field had in a later change is the value that it had then; a field that has not changed since has it still.
 */
const FIND_PAST = {
  name: "find-past-user",
  text: `
    SELECT ${USER_COLUMNS}, wanted, oldest, "values"
    FROM users
    CROSS JOIN LATERAL (
      SELECT min(history.version) AS oldest FROM user_history AS history WHERE history.user_id = users.id
    ) AS beginning
    CROSS JOIN LATERAL (
      SELECT coalesce(
        $2::bigint,
        (SELECT history.version FROM user_history AS history WHERE history.user_id = users.id AND history.at <= $3
         ORDER BY history.version DESC LIMIT 1),
        CASE WHEN users.updated_at <= $3 THEN users.version END
      ) AS wanted
    ) AS asked
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_object_agg(field, value), '{}') AS "values" FROM (
        SELECT DISTINCT ON (field) field, change -> 'from' AS value
        FROM user_history AS history, jsonb_each(history.changes) AS part (field, change)
        WHERE history.user_id = users.id AND history.version > wanted
        ORDER BY field, history.version
      ) AS undone
    ) AS earlier
    WHERE id = $1 AND deleted_at IS NULL`,
};

/**
 * A user at one moment: now, and as it was at a version or a time.
 * @throws UserNotFound, VersionNotFound, DependencyUnavailable
 */
export async function findPast(id: string, { version, at }: Past): Promise<{ now: UserRow; past: UserRow }> {
  type Found = UserRow & { wanted: number | null; oldest: number | null; values: Record<string, Value> };
  const [found] = await query<Found>(FIND_PAST, [id, version, at]);
  if (!found) throw new UserNotFound("ID", id);
  const { wanted, oldest, values, ...now } = found;
  if (!isKnown(wanted, oldest, now.version)) throw new VersionNotFound(id, version ?? `of ${at}`);
  return { now, past: asItWas(now, values) };
}

/**
 * Deletes old entries.
 * @throws DependencyUnavailable; rows deleted before the failure stay deleted
 */
export const purgeHistory = (keepDays: number, limits?: PurgeLimits): Promise<void> =>
  purge("user_history", `at < now() - interval '${keepDays} days'`, limits);
