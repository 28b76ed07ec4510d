import { query } from "./database.ts";

/**
 * Old rows are deleted in slices, so that a backlog of any size stays within the time limits and blocks nothing else.
 */

/** The number of rows that a purge deletes per statement, and its time limit in ms; the next run continues. */
export type PurgeLimits = { slice: number; within: number };
const PURGE: PurgeLimits = { slice: 10_000, within: 600_000 };

/**
 * Deletes the rows of a table that match a condition, both given as SQL.
 * @throws DependencyUnavailable; rows deleted before the failure stay deleted
 */
export async function purge(table: string, expired: string, { slice, within } = PURGE): Promise<void> {
  const statement = {
    name: `purge-${table}`,
    text: `
      WITH deleted AS (
        DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM ${table} WHERE ${expired} LIMIT $1
        )) AND ${expired}
        RETURNING 1
      )
      SELECT count(*) AS deleted FROM deleted`,
  };
  const end = performance.now() + within;
  for (let last = slice; last > 0 && performance.now() < end; )
    last = (await query<{ deleted: number }>(statement, [slice]))[0]?.deleted ?? 0;
}
