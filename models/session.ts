import { config } from "../lib/config/config.ts";

/** The time limit of a statement, in ms: a request ends within 5 s (moleculer.config.ts). */
export const STATEMENT_TIMEOUT = 3_000;

/** The name of a session setting, and the items of its value. */
export type Setting = readonly [name: string, ...items: string[]];

/**
 * The session settings that our statements and result parsers rely on, whatever the defaults of the server and the
 * database are. Each connection sets them after connecting and not as start-up options, because poolers refuse those.
 * Behind a pooler in transaction mode there is no session of ours: they must be the role's defaults
 * (lib/postgres/role.ts).
 */
export const SESSION: readonly Setting[] = [
  ["search_path", config.database.schema, "public"],
  ["client_encoding", "UTF8"],
  ["DateStyle", "ISO", "MDY"],
  ["TimeZone", "UTC"],
  ["standard_conforming_strings", "on"],
  ["default_transaction_isolation", "read committed"],
  ["statement_timeout", String(STATEMENT_TIMEOUT)],
  ["idle_in_transaction_session_timeout", "30000"],
];

/** The statement that sets it. */
export const setOf = ([name, ...items]: Setting): string =>
  `SET ${name} = ${items.map((item) => `'${item}'`).join(", ")}`;
