import pg from "pg";
import { type InputMigrations, MigrationError, Umzug } from "umzug";

/** A migration gets SQL in the one transaction that all migrations of a run share. The schema is the search path. */
export type MigrationContext = { sql(text: string, values?: unknown[]): Promise<pg.QueryResult> };
export type Migration = (params: { context: MigrationContext }) => Promise<unknown>;

/** The database to migrate: pg's connection settings, and the schema of all tables. */
export type Target = pg.ClientConfig & { schema: string };

/** Serializes the migrations of all nodes on one database; the number is arbitrary. */
const LOCK = 8_300_301;

/** Runs the pending migrations and returns their names. If two nodes start at once, each migration runs once. */
export const migrateUp = (target: Target): Promise<string[]> =>
  withUmzug(target, async (umzug) => (await umzug.up()).map(({ name }) => name));

/** Reverts the newest migration. Returns a list with its name, or an empty list. */
export const migrateDown = (target: Target): Promise<string[]> =>
  withUmzug(target, async (umzug) => (await umzug.down()).map(({ name }) => name));

/** The names of the pending migrations; changes nothing. */
export const pendingMigrations = (target: Target): Promise<string[]> =>
  withUmzug(target, async (umzug) => (await umzug.pending()).map(({ name }) => name), "READ ONLY");

/**
 * One connection, one transaction, one lock: a run is done completely or not at all, even if the process dies.
 * @throws PostgreSQL's error, with the migration's name in the message
 */
async function withUmzug<Result>(
  { schema, ...connection }: Target,
  work: (umzug: Umzug<MigrationContext>) => Promise<Result>,
  mode = "READ WRITE",
): Promise<Result> {
  const client = new pg.Client({ connectionTimeoutMillis: 2_000, ...connection });
  client.on("error", () => {}); // the current query rejects with it
  await client.connect();
  try {
    await client.query(`BEGIN ${mode}`);
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    if (mode === "READ WRITE") await ensureSchema(client, schema);
    await client.query(`SET LOCAL search_path = ${schema}, public`);
    await client.query("SET LOCAL statement_timeout = 0"); // the role's default may be that of the service
    const result = await work(createUmzug({ sql: (text, values) => client.query(text, values) }));
    await client.query("COMMIT");
    return result;
  } catch (error) {
    throw error instanceof MigrationError
      ? Object.assign(error.cause as Error, { message: error.message })
      : error;
  } finally {
    await client.end();
  }
}

/** CREATE SCHEMA IF NOT EXISTS requires the right to create even if the schema exists, so this checks first. */
async function ensureSchema(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${schema}`);
}

const createUmzug = (context: MigrationContext) =>
  new Umzug<MigrationContext>({
    migrations: migrationFiles,
    context,
    storage: {
      logMigration: ({ name }) =>
        context.sql("INSERT INTO migrations (name) VALUES ($1)", [name]).then(() => {}),
      unlogMigration: ({ name }) =>
        context.sql("DELETE FROM migrations WHERE name = $1", [name]).then(() => {}),
      executed: () => executed(context),
    },
    logger: undefined,
  });

/** Names without extension are the same in the sources and in the build. */
const migrationFiles: InputMigrations<MigrationContext> = {
  glob: ["2*.{ts,js}", { cwd: import.meta.dirname, ignore: "**/*.d.ts" }],
  resolve: ({ name, path }) => {
    const load = (): Promise<{ up: Migration; down: Migration }> => import(String(path));
    return {
      name: name.replace(/\.[tj]s$/, ""),
      up: async (params) => (await load()).up(params),
      down: async (params) => (await load()).down(params),
    };
  },
};

async function executed({ sql }: MigrationContext): Promise<string[]> {
  const { rows } = await sql("SELECT to_regclass('migrations') IS NOT NULL AS exists");
  if (!rows[0].exists) {
    if ((await sql("SHOW transaction_read_only")).rows[0].transaction_read_only === "on") return [];
    await sql("CREATE TABLE migrations (name TEXT PRIMARY KEY, run_at TIMESTAMPTZ NOT NULL DEFAULT now())");
  }
  return (await sql("SELECT name FROM migrations ORDER BY name")).rows.map(({ name }) => name);
}
