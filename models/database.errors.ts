import { DependencyUnavailable } from "../lib/contract/errors.ts";

/** What a failed query means: wrong for good, or "not now"; and whether its connection can be used again. */

/** `close`: the connection is of no more use. `keep`: the server refused this one request, the connection is good. */
type Verdict = "close" | "keep";

/** SQLSTATEs, or classes of them, that mean "not now": the same request may succeed later. The longest match counts. */
const NOT_NOW: Record<string, Verdict> = {
  "08": "close", // connection exception
  "0A000": "close", // a cached plan no longer fits, after a migration (the only 0A000 that our statements can meet)
  "25006": "close", // read-only: after a failover, an old connection leads to the wrong server
  "25P02": "close", // a transaction that failed before: nothing but its end is possible
  "25P03": "close", // idle in a transaction for too long: the server closes the connection
  "26000": "close", // no such prepared statement: a pooler or an operator discarded it
  "28": "close", // the password or the user is refused: rotated, or not yet there after a failover
  "3D000": "close", // no such database: renamed, or restored just now
  "3F000": "keep", // no such schema: the migrations have not run yet
  "40001": "keep", // serialization failure, after the repetitions of `transaction`
  "40P01": "keep", // deadlock, after the repetitions of `transaction`
  "42P01": "keep", // no such table: the migrations have not run yet
  "42P05": "close", // the prepared statement exists: a pooler handed over another client's session
  "53": "keep", // out of connections, memory or disk
  "55P03": "keep", // a lock was not available in time
  "57014": "keep", // statement timeout
  "57P": "close", // shutdown, crash, start-up, database dropped, idle session timeout
  "58": "keep", // the server's system failed: an I/O error
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

/** What becomes of the connection if an error means "not now"; undefined for an error that is wrong for good. */
export function verdictOn(error: unknown): Verdict | undefined {
  const { name = "", message = "" } = error as Error;
  const code = sqlState(error);
  if (!code) return CONNECTION_LOST.test(`${name} ${message}`) ? "close" : undefined;
  if (SYSTEM_ERROR.test(code)) return "close";
  if (!isSqlState(code)) return undefined;
  return NOT_NOW[code] ?? NOT_NOW[code.slice(0, 3)] ?? NOT_NOW[code.slice(0, 2)];
}

/** No class of SQLSTATEs begins with E, as the codes of system errors do. */
const isSqlState = (code: string) => /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code);

/** Whether the database refused writes because it is read-only now. */
export const isReadOnly = (error: unknown): boolean => sqlState(error) === "25006";

/** Whether the error came from PostgreSQL, or from not reaching it. */
export const isDatabaseError = (error: unknown): boolean =>
  (error as { data?: { dependency?: string } }).data?.dependency === "database" ||
  isSqlState(sqlState(error) ?? "");

/** The same error, or DependencyUnavailable (its cause is the error) in place of one that means "not now". */
export const translate = (error: unknown): unknown =>
  !(error instanceof DependencyUnavailable) && verdictOn(error)
    ? Object.assign(new DependencyUnavailable("database"), { cause: error })
    : error;
