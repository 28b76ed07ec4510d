import { DependencyUnavailable } from "../lib/contract/errors.ts";

/** Classifies a failed query: permanent, or temporary ("not now"), and whether its connection can be used again. */

/**
 * `close`: the connection is no longer usable. `keep`: the server refused this one request, and the connection is good.
 */
type Verdict = "close" | "keep";

/** SQLSTATEs, or classes of them, that are temporary: the same request may succeed later. The longest match counts. */
const NOT_NOW: Record<string, Verdict> = {
  "08": "close", // connection exception
  "0A000": "close", // a cached plan no longer fits after a migration (the only 0A000 that our statements can cause)
  "25006": "close", // read-only: after a failover, an old connection goes to the wrong server
  "25P02": "close", // the transaction has failed already: it can only be rolled back
  "25P03": "close", // idle in a transaction for too long: the server closes the connection
  "26000": "close", // no such prepared statement: a pooler or an operator discarded it
  "28": "close", // the password or the user is refused: rotated, or not yet there after a failover
  "3D000": "close", // no such database: renamed, or being restored
  "3F000": "keep", // no such schema: the migrations have not run yet
  "40001": "keep", // serialization failure, after the retries of `transaction`
  "40P01": "keep", // deadlock, after the retries of `transaction`
  "42P01": "keep", // no such table: the migrations have not run yet
  "42P05": "close", // the prepared statement exists: a pooler assigned another client's session
  "53": "keep", // out of connections, memory or disk
  "55P03": "keep", // a lock was not available in time
  "57014": "keep", // statement timeout
  "57P": "close", // shutdown, crash, start-up, database dropped, idle session timeout
  "58": "keep", // a system error of the server, such as an I/O error
};

/** Codes of system errors: ECONNREFUSED, EAI_AGAIN. */
const SYSTEM_ERROR = /^E[A-Z_]+$/;
/** Errors of pg and Sequelize that have no code. */
const CONNECTION_LOST = /terminated|timeout|Connection|not queryable|TimeoutError/;

/** The SQLSTATE or system error code of a failed query, whether it comes from pg, or wrapped by Sequelize. */
export function sqlState(error: unknown): string | undefined {
  const { code, parent } = error as { code?: string; parent?: { code?: string } };
  return parent?.code ?? code;
}

/** What happens to the connection after a temporary error; undefined if the error is permanent. */
export function verdictOn(error: unknown): Verdict | undefined {
  const { name = "", message = "" } = error as Error;
  const code = sqlState(error);
  if (!code) return CONNECTION_LOST.test(`${name} ${message}`) ? "close" : undefined;
  if (SYSTEM_ERROR.test(code)) return "close";
  if (!isSqlState(code)) return undefined;
  return NOT_NOW[code] ?? NOT_NOW[code.slice(0, 3)] ?? NOT_NOW[code.slice(0, 2)];
}

/** SQLSTATE classes never begin with E, but codes of system errors do. */
const isSqlState = (code: string) => /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code);

/** The SQLSTATE of an error as it is, or of its cause. */
const stateOf = (error: unknown) => sqlState((error as Error).cause ?? error);

/** Whether PostgreSQL canceled a statement because it took too long. */
export const tookTooLong = (error: unknown): boolean => stateOf(error) === "57014";

/**
 * Whether a statement for several members may have failed because of one of them, so that each is worth an attempt of
 * its own: it is invalid, or somebody has locked what it needs. A statement that takes too long does so for all.
 */
export const mayBeOfOne = (error: unknown, members: number): boolean =>
  members > 1 && (!(error instanceof DependencyUnavailable) || stateOf(error) === "55P03");

/** SQLSTATEs that mean that all open connections are unusable. */
const STALE = new Set([
  "25006", // read-only: they may go to the primary before a failover
  "0A000", // their cached plans are from before a migration
]);

/** Whether all open connections must be replaced. */
export const areAllStale = (error: unknown): boolean => STALE.has(sqlState(error) ?? "");

/** Whether the error came from PostgreSQL or from failing to reach it. */
export const isDatabaseError = (error: unknown): boolean =>
  (error as { data?: { dependency?: string } }).data?.dependency === "database" ||
  isSqlState(sqlState(error) ?? "");

/**
 * Replaces a temporary error by DependencyUnavailable, with the error as its cause. Returns other errors as they are.
 */
export const translate = (error: unknown): unknown => (verdictOn(error) ? unavailable(error) : error);

/** DependencyUnavailable with any other error as its cause. */
export const unavailable = (error: unknown): DependencyUnavailable =>
  error instanceof DependencyUnavailable
    ? error
    : Object.assign(new DependencyUnavailable("database"), { cause: error });
