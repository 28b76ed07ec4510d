import { query } from "./database.ts";

/** Counting more would take longer than a scrape of the metrics is allowed to. */
const COUNTED = 100_000;

/**
 * Counts rows, up to 100,000.
 * @param name of the prepared statement
 * @param rows a table and a condition, as SQL
 * @throws DependencyUnavailable
 */
export async function countRows(name: string, rows: string): Promise<number> {
  const text = `SELECT count(*)::float8 AS count FROM (SELECT FROM ${rows} LIMIT ${COUNTED}) AS found`;
  const [row] = await query<{ count: number }>({ name, text }, []);
  return row?.count ?? 0;
}
