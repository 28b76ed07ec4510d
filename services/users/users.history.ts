import { VersionNotFound } from "../../lib/contract/errors.ts";
import { inBatches } from "../../lib/runtime/batch.ts";
import { query } from "../../models/database.ts";
import { asItWas } from "../../models/history.rules.ts";
import { type PurgeLimits, purge } from "../../models/purge.ts";
import type { UserRow } from "../../models/user.ts";
import type { Actor, HistoryListing, HistoryPage, Past, Value } from "./users.contract.ts";
import { isKnown } from "./users.history.rules.ts";
import { cutToOneMessage } from "./users.message.ts";
import { type EntryRow, presentEntry } from "./users.presenter.ts";

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
 * `wanted` is the asked version, or that of the newest entry that is not later than the asked time. The first value
 * that each field had in a later change is the value that it had then; a field that has not changed since has it still.
 */
const FIND_EARLIER = {
  name: "find-earlier",
  text: `
    SELECT wanted, oldest, "values"
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) WITH ORDINALITY AS asked (id, version, at, n)
    CROSS JOIN LATERAL (
      SELECT coalesce(asked.version, (
        SELECT history.version FROM user_history AS history
        WHERE history.user_id = asked.id AND history.at <= asked.at ORDER BY history.version DESC LIMIT 1
      )) AS wanted
    ) AS point
    CROSS JOIN LATERAL (
      SELECT min(history.version) AS oldest FROM user_history AS history WHERE history.user_id = asked.id
    ) AS beginning
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_object_agg(field, value), '{}') AS "values" FROM (
        SELECT DISTINCT ON (field) field, change -> 'from' AS value
        FROM user_history AS history, jsonb_each(history.changes) AS part (field, change)
        WHERE history.user_id = asked.id AND history.version > wanted
        ORDER BY field, history.version
      ) AS undone
    ) AS earlier
    ORDER BY n`,
};
type Earlier = { wanted: number | null; oldest: number | null; values: Record<string, Value> };

/** Reads at the same moment share one query. */
const findEarlier = inBatches((asked: ({ id: string } & Past)[]) =>
  query<Earlier>(FIND_EARLIER, [
    asked.map(({ id }) => id),
    asked.map(({ version }) => version),
    asked.map(({ at }) => at),
  ]),
);

/**
 * A user as it was at a version or a time.
 * @param now the row; it may be older than the newest entry, because an entry leads back from wherever it is
 * @throws VersionNotFound, DependencyUnavailable
 */
export async function findPast(now: UserRow, { version, at }: Past): Promise<UserRow> {
  const { wanted, oldest, values } = await findEarlier({ id: now.id, version, at });
  const found = wanted ?? (at !== undefined && now.updatedAt <= new Date(at) ? now.version : null);
  if (!isKnown(found, oldest, now.version)) throw new VersionNotFound(now.id, version ?? `of ${at}`);
  return asItWas(now, values);
}

/**
 * Deletes old entries.
 * @throws DependencyUnavailable; rows deleted before the failure stay deleted
 */
export const purgeHistory = (keepDays: number, limits?: PurgeLimits): Promise<void> =>
  purge("user_history", `at < now() - interval '${keepDays} days'`, limits);
