import pg from "pg";
import { type Options, type PoolOptions, Sequelize } from "sequelize";
import { config } from "../lib/config/config.ts";
import { DependencyUnavailable } from "../lib/contract/errors.ts";
import { gaugeOf, queryDuration } from "../lib/runtime/metrics.ts";
import { noteQuery } from "../lib/tracing/spans.ts";
import { areAllStale, unavailable, verdictOn } from "./database.errors.ts";
import { SESSION, STATEMENT_TIMEOUT, setOf } from "./session.ts";

/** The connections to PostgreSQL that all services of a node share: to the primary, and to a replica if there is one. */

// pg returns BIGINT as text by default; ours stay within 2^53 or are clamped in results.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** The address of PostgreSQL; `host` may be the folder of a Unix socket. */
type Address = { host: string; port: number; username: string; password: string; database: string };

/** Sets the database to use. Call it before the first query. */
export function useDatabase(at: Address): void {
  Object.assign(pool.config.replication.write, at);
}

/** In ms. A request ends within 5 s (moleculer.config.ts), so every wait for the database must end earlier. */
const ACQUIRE_TIMEOUT = 2_500;

/** Whether a connection has a session of its own. Otherwise it can set nothing, and has no prepared statements. */
export const hasSession = config.database.pooler === "session";
const SET_SESSION = SESSION.map(setOf).join("; ");

/** Sequelize's names for the primary and the replica. */
type Server = "write" | "read";

/** A connection may be lost before Sequelize has it in a pool: without what is here, that would end the process. */
class Client extends pg.Client {
  queryType: Server = "write";

  constructor(config: pg.ClientConfig) {
    super(config);
    this.on("error", () => {}); // the current query rejects with it, and Sequelize drops the connection
  }
}

export type Connection = Client & { _invalid?: boolean; _ending?: boolean; openedAt?: number };

/** Connections opened before these times are no longer used. */
const staleBefore: Record<Server, number> = { write: 0, read: 0 };

const dialectOptions = {
  clientMinMessages: "ignore", // sets nothing
  application_name: "user-service",
  ssl: config.database.ssl,
  keepAlive: true,
  connectionTimeoutMillis: 2_000,
  query_timeout: STATEMENT_TIMEOUT + 500, // the client has its own limit because a frozen server does not answer
};

/** As Sequelize names them. */
function replicaOptions() {
  if (!config.database.replica) return [];
  const { host, port, name: database, user: username, password, ssl } = config.database.replica;
  return [{ host, port, database, username, password, dialectOptions: { ...dialectOptions, ssl } }];
}

export const sequelize = new Sequelize({
  dialect: "postgres",
  dialectModule: { ...pg, Client },
  benchmark: true,
  logging: (sql, ms) => observe(verbOf(sql), ms ?? 0),
  replication: { write: {}, read: replicaOptions() },
  pool: {
    max: config.database.poolMax,
    acquire: ACQUIRE_TIMEOUT,
    idle: 60_000,
    validate: (connection: Connection) =>
      !connection._invalid &&
      !connection._ending &&
      (connection.openedAt ?? 0) >= staleBefore[connection.queryType],
  } as PoolOptions,
  ...({ keepDefaultTimezone: true } as Options), // SESSION sets it
  dialectOptions,
});
sequelize.addHook("beforeConnect", ({ database }) => {
  if (!database) throw new DependencyUnavailable("database"); // it is not located yet
});
sequelize.addHook("afterConnect", async (opened) => {
  const connection = opened as Connection;
  try {
    if (hasSession) await connection.query(SET_SESSION);
    connection.openedAt = performance.now();
  } catch (error) {
    await connection.end();
    throw error;
  }
});

/** Removes a connection from the pool if the error makes it unusable. */
export function retire(connection: Connection, error: unknown): void {
  if (verdictOn(error) === "close") connection._invalid = true;
  if (areAllStale(error)) retireAll(connection.queryType);
}

/** Replaces all open connections to a server. */
export function retireAll(server: Server): void {
  staleBefore[server] = performance.now();
}

/** Sequelize reports a query as `Executed (default): SELECT …`, with its values. Only the verb may be logged. */
const verbOf = (sql: string) => /: (\w+)/.exec(sql)?.[1] ?? "query";

export function observe(name: string, ms: number): void {
  queryDuration.observe(ms / 1000);
  noteQuery(name, ms);
}

type Pool = { size: number; using: number; waiting: number };
export const pool = sequelize.connectionManager as typeof sequelize.connectionManager & {
  getConnection(options?: { useMaster?: boolean }): Promise<Connection>;
  config: { replication: { write: Partial<Address> } };
  pool: Record<Server, Pool>;
};

/**
 * All queries go to the primary, except those that say otherwise (models/replica.ts). Whatever prevents a connection,
 * such as a changed password or certificate, is repaired by an operator and not by the caller. Sequelize has no hook for
 * either.
 */
const { getConnection } = pool;
pool.getConnection = (options) =>
  getConnection
    .call(pool, { ...options, useMaster: options?.useMaster !== false })
    .catch((error) => Promise.reject(unavailable(error)));

gaugeOf(
  "user_service_database_pool_used_connections",
  "Connections to PostgreSQL that are in use",
  () => pool.pool.write.using,
);
gaugeOf(
  "user_service_database_pool_open_connections",
  "Connections to PostgreSQL that are open, in use or idle",
  openConnections,
);
gaugeOf(
  "user_service_database_pool_max_connections",
  "Connections to PostgreSQL that may be open: DATABASE_POOL_MAX, or 0 if no service of the node needs the database",
  () => (config.needsDatabase ? config.database.poolMax : 0),
);
gaugeOf(
  "user_service_database_pool_waiting_requests",
  "Transactions and queries that wait for a connection",
  () => pool.pool.write.waiting,
);

/** The number of open connections to PostgreSQL. */
export function openConnections(): number {
  return pool.pool.write.size;
}
