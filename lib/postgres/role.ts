import pg from "pg";
import { SESSION, type Setting, setOf } from "../../models/session.ts";

/** The role that the service connects as: its rights, and the defaults of its sessions. */

const quoted = pg.escapeIdentifier;

/**
 * The statements that give a role what the service needs, for the role that migrates to run: later migrations are
 * covered. Users are only marked as deleted, and a node never migrates in production.
 *
 * @returns SQL statements without semicolons
 */
export function grantsFor(role: string, database: string, schema: string): string[] {
  const rows = "SELECT, INSERT, UPDATE, DELETE";
  return [
    `GRANT CONNECT ON DATABASE ${quoted(database)} TO ${quoted(role)}`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${quoted(role)}`,
    `GRANT ${rows} ON ALL TABLES IN SCHEMA ${schema} TO ${quoted(role)}`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${quoted(role)}`,
    `REVOKE DELETE ON ${schema}.users FROM ${quoted(role)}`,
    `REVOKE INSERT, UPDATE, DELETE ON ${schema}.migrations FROM ${quoted(role)}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT ${rows} ON TABLES TO ${quoted(role)}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT USAGE ON SEQUENCES TO ${quoted(role)}`,
  ];
}

/**
 * The settings that a session lacks if we set none, as behind a pooler in transaction mode.
 *
 * @returns the SQL statements that make them the role's defaults, without semicolons
 * @throws what pg throws if the database is unavailable
 */
export async function missingDefaults(connection: pg.ClientConfig): Promise<string[]> {
  const client = new pg.Client({ connectionTimeoutMillis: 2_000, query_timeout: 3_000, ...connection });
  client.on("error", () => {}); // the query rejects with it
  try {
    await client.connect();
    const { rows } = await client.query<Found>(FIND, [SESSION.map(([name]) => name)]);
    // the names that PostgreSQL knows: a pooler may map them
    const [{ role, database, settings }] = rows as [Found];
    const isMissing = ([name, ...items]: Setting) => settings[name] !== items.join(", ");
    return SESSION.filter(isMissing).map(
      (setting) => `ALTER ROLE ${quoted(role)} IN DATABASE ${quoted(database)} ${setOf(setting)}`,
    );
  } finally {
    await client.end().catch(() => {});
  }
}

type Found = { role: string; database: string; settings: Record<string, string> };

const FIND = `
  SELECT session_user AS role, current_database() AS database, json_object_agg(name, setting) AS settings
  FROM pg_settings WHERE name = ANY($1)`;
