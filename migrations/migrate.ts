import { readdirSync } from "node:fs";
import { join, parse } from "node:path";
import pg from "pg";
import type { Umzug } from "umzug";

/** A migration gets SQL in the one transaction that all migrations of a run share. The schema is the search path. */
export type MigrationContext = { sql(text: string, values?: unknown[]): Promise<pg.QueryResult> };
export type Migration = (params: { context: MigrationContext }) => Promise<unknown>;

/** The database to migrate: pg's connection settings, and the schema of all tables. */
export type Target = pg.ClientConfig & { schema: string };

/** Serializes the migrations of all nodes on one database; the number is arbitrary. */
const LOCK = 8_300_301;

/** The files of this folder, oldest first. Names without extension are the same in the sources and in the build. */
const MIGRATIONS = readdirSync(import.meta.dirname)
  .filter((file) => /^2.*\.[tj]s$/.test(file) && !file.endsWith(".d.ts"))
  .sort()
  .map((file) => ({ name: parse(file).name, path: join(import.meta.dirname, file) }));

/**
 * Runs the pending migrations and returns their names. If two nodes start at once, each migration runs once.
 * @throws PostgreSQL's error, with the migration's name in the message
 */
export async function migrateUp(target: Target): Promise<string[]> {
  if ((await pendingMigrations(target)).length === 0) return []; // as at most starts: umzug is slow to load
  return withUmzug(target, (umzug) => umzug.up());
}

/** Reverts the newest migration. Returns a list with its name, or an empty list. */
export const migrateDown = (target: Target): Promise<string[]> => withUmzug(target, (umzug) => umzug.down());

/** The names of the pending migrations; changes nothing. */
export const pendingMigrations = (target: Target): Promise<string[]> =>
  inTransaction(target, "READ ONLY", async (context) => {
    const done = await executed(context, target.schema);
    return MIGRATIONS.map(({ name }) => name).filter((name) => !done.includes(name));
  });

async function withUmzug(
  target: Target,
  work: (umzug: Umzug<MigrationContext>) => Promise<{ name: string }[]>,
): Promise<string[]> {
  const { MigrationError, Umzug } = await import("umzug");
  return inTransaction(target, "READ WRITE", async (context) => {
    const umzug = new Umzug<MigrationContext>({
      migrations: MIGRATIONS.map(({ name, path }) => ({
        name,
        up: async (params) => (await load(path)).up(params),
        down: async (params) => (await load(path)).down(params),
      })),
      context,
      storage: {
        logMigration: ({ name }) =>
          context.sql("INSERT INTO migrations (name) VALUES ($1)", [name]).then(() => {}),
        unlogMigration: ({ name }) =>
          context.sql("DELETE FROM migrations WHERE name = $1", [name]).then(() => {}),
        executed: () => executed(context, target.schema),
      },
      logger: undefined,
    });
    try {
      return (await work(umzug)).map(({ name }) => name);
    } catch (error) {
      throw error instanceof MigrationError
        ? Object.assign(error.cause as Error, { message: error.message })
        : error;
    }
  });
}

const load = (path: string): Promise<{ up: Migration; down: Migration }> => import(path);

/** One connection, one transaction, one lock: a run is done completely or not at all, even if the process dies. */
async function inTransaction<Result>(
  { schema, ...connection }: Target,
  mode: "READ ONLY" | "READ WRITE",
  work: (context: MigrationContext) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionTimeoutMillis: 2_000, ...connection });
  client.on("error", () => {}); // the current query rejects with it
  await client.connect();
  try {
    await client.query(`BEGIN ${mode}`);
    await client.query("SET LOCAL statement_timeout = 0"); // the role's default may be that of the service
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    if (mode === "READ WRITE") await ensureSchema(client, schema);
    await client.query(`SET LOCAL search_path = ${schema}, public`);
    const result = await work({ sql: (text, values) => client.query(text, values) });
    await client.query("COMMIT");
    return result;
  } finally {
    await client.end();
  }
}

/** CREATE SCHEMA IF NOT EXISTS requires the right to create even if the schema exists, so this checks first. */
async function ensureSchema(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${schema}`);
}

/** @throws PostgreSQL's error if the role may not look into the schema */
async function executed({ sql }: MigrationContext, schema: string): Promise<string[]> {
  const { rows } = await sql("SELECT to_regclass($1) IS NOT NULL AS exists", [`${schema}.migrations`]);
  if (!rows[0].exists) {
    if ((await sql("SHOW transaction_read_only")).rows[0].transaction_read_only === "on") return [];
    await sql("CREATE TABLE migrations (name TEXT PRIMARY KEY, run_at TIMESTAMPTZ NOT NULL DEFAULT now())");
  }
  return (await sql("SELECT name FROM migrations ORDER BY name")).rows.map(({ name }) => name);
}
