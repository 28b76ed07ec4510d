import { refusalOf } from "../lib/postgres/refusals.ts";

/**
 * Ends a command with exit code 1 and one line: the variables to check, if the database refuses them, or else the cause.
 * The message around a cause says less, and umzug's may contain the password of the connection.
 */
export function fail(error: unknown): void {
  const cause = (error as Error).cause instanceof Error ? (error as Error).cause : error;
  console.error(refusalOf(cause) ?? (cause as Error).message);
  process.exitCode = 1;
}
