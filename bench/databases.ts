import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../lib/postgres/embedded-postgres.ts";
import { migrateUp } from "../migrations/migrate.ts";

/** One real PostgreSQL with default durability, and migrated databases in it for the parts that need one. */

const SCHEMA = "user_service";

export type Database = {
  /** The environment that makes the service or a bare program use this database. */
  env: Record<string, string>;
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
};

export type Databases = { create(name: string): Promise<Database>; stop(): Promise<void> };

export async function startDatabases(dataDir: string): Promise<Databases> {
  const server = await startEmbeddedPostgres({ dataDir, database: "bench" });
  const pools: pg.Pool[] = [];
  return {
    async create(name) {
      const pool = await createMigrated(server, name);
      pools.push(pool);
      return {
        env: environment(server, name),
        sql: async (text, values) => (await pool.query(text, values)).rows,
      };
    },
    async stop() {
      await Promise.all(pools.map((pool) => pool.end()));
      await server.stop();
    },
  };
}

async function createMigrated({ stop: _, ...address }: EmbeddedPostgres, name: string): Promise<pg.Pool> {
  const client = new pg.Client(address);
  await client.connect();
  await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  await client.end();
  const target = { ...address, database: name };
  await migrateUp({ ...target, schema: SCHEMA });
  const pool = new pg.Pool({ ...target, max: 1, options: `-c search_path=${SCHEMA},public` });
  pool.on("error", () => {}); // the server may be stopped before the connection is closed
  return pool;
}

const environment = ({ host, port, user, password }: EmbeddedPostgres, name: string) => ({
  DATABASE_HOST: host,
  DATABASE_PORT: String(port),
  DATABASE_USER: user,
  DATABASE_PASSWORD: password,
  DATABASE_NAME: name,
  DATABASE_SCHEMA: SCHEMA,
  DATABASE_POOL_MAX: "10",
});
