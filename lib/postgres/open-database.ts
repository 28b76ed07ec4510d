import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { migrateUp, pendingMigrations, type Target } from "../../migrations/migrate.ts";
import { sequelize, useDatabase } from "../../models/connections.ts";
import { unavailable, verdictOn } from "../../models/database.errors.ts";
import { config } from "../config/config.ts";
import { openOnce } from "../runtime/tasks.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import { refusalOf } from "./refusals.ts";
import { missingDefaults } from "./role.ts";
import { isPooledByTransaction } from "./transaction-pooler.ts";

/** Why the node must not start; `message` is the one line shown to the operator. */
export class StartRefused extends Error {}

const RETRY_EVERY = 1_000; // ms

let embedded: EmbeddedPostgres | undefined;

const located = openOnce(locate);

/** Returns the database that DATABASE_HOST names, or an embedded one, which the first call starts. */
export const locateDatabase = (): Promise<Target> => located.get();

async function locate(): Promise<Target> {
  const { host, port, name, user, password, schema, ssl } = config.database;
  // a copy: pg changes it
  if (host) return { host, port, user, password, database: name, schema, ssl: ssl && { ...ssl } };
  const dataDir = join(config.dataDir, "postgres");
  embedded = await startEmbeddedPostgres({ dataDir, database: name }).catch((error) => {
    throw new StartRefused(error.message);
  });
  const { stop: _, ...address } = embedded;
  return { ...address, schema };
}

/** Locates the database and directs all queries to it. Opens no connection yet. */
export async function connectDatabase(): Promise<Target> {
  const target = await locateDatabase();
  const { host = "", port = 5432, user: username = "", password, database = "" } = target;
  useDatabase({ host, port, username, password: String(password), database });
  return target;
}

/**
 * Prepares the database. If it is unavailable, this is retried in the background: meanwhile the node is live and not
 * ready (contract 5). `ready` is called once, `waiting` after each failed attempt, `fatal` if retrying would not help.
 */
export async function openDatabase(on: {
  ready(): void;
  waiting(error: unknown): void;
  fatal(error: Error): void;
}): Promise<void> {
  const target = await connectDatabase();
  const attempt = async () => {
    try {
      await prepare(target);
      on.ready();
      return true;
    } catch (error) {
      const refused = refusal(error);
      if (refused) throw refused;
      on.waiting(unavailable(error));
      return false;
    }
  };
  const keepTrying = async () => {
    do await sleep(RETRY_EVERY, undefined, { ref: false });
    while (!(await attempt()));
  };
  if (!(await attempt())) keepTrying().catch(on.fatal);
}

/** Closes all connections and then the embedded PostgreSQL. Call it after the last query. */
export async function closeDatabase(): Promise<void> {
  await sequelize.close();
  await embedded?.stop();
}

async function prepare(target: Target): Promise<void> {
  const { schema: _, ...connection } = target;
  if (config.database.pooler === "transaction") await demandDefaults(connection);
  else if (await isPooledByTransaction(connection))
    throw new StartRefused(
      "DATABASE_POOLER: this is a connection pooler in transaction mode: set it to transaction",
    );
  await demandMigrated(target);
}

async function demandDefaults(connection: pg.ClientConfig): Promise<void> {
  const missing = await missingDefaults(connection);
  if (missing.length === 0) return;
  throw new StartRefused(
    `DATABASE_POOLER: in transaction mode the role needs defaults; run this and reconnect the pooler: ${missing.join("; ")}`,
  );
}

/** Migrates. In production it only checks: the deployment runs the migrations (contract 5). */
async function demandMigrated(target: Target): Promise<void> {
  if (!config.production) return void (await migrateUp(target));
  const pending = await pendingMigrations(target);
  if (pending.length === 0) return;
  throw new StartRefused(`Migrations are pending (npm run migration:run): ${pending.join(", ")}`);
}

/** Why the start is refused; undefined if a later attempt may succeed. */
function refusal(error: unknown): StartRefused | undefined {
  if (error instanceof StartRefused) return error;
  const line = refusalOf(error);
  if (line) return new StartRefused(line);
  if (verdictOn(error)) return undefined;
  return new StartRefused(`The database cannot be set up: ${(error as Error).message}`);
}
