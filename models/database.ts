import pg from "pg";
import { type Options, type PoolOptions, Sequelize, type Transaction } from "sequelize";
import { DependencyUnavailable } from "../lib/contract/errors.ts";
import { config } from "../lib/runtime/config.ts";
import { gaugeOf, queryDuration } from "../lib/runtime/metrics.ts";
import { noteQuery } from "../lib/tracing/spans.ts";
import { areAllStale, sqlState, translate, unavailable, verdictOn } from "./database.errors.ts";
import { SESSION, STATEMENT_TIMEOUT, setOf } from "./session.ts";

/**
 * The connection to PostgreSQL that all services of a node share, and the two ways to use it without Sequelize's
 * models.
 */

// pg returns BIGINT as text by default; ours stay within 2^53 or are clamped in results.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** The address of PostgreSQL; `host` may be the folder of a Unix socket. */
export type Address = { host: string; port: number; username: string; password: string; database: string };

let address: Address | undefined;

/** Sets the database to use. Call it before the first query. */
export function useDatabase(at: Address): void {
  address = at;
}

/** In ms. A request ends within 5 s (moleculer.config.ts), so every wait for the database must end earlier. */
const ACQUIRE_TIMEOUT = 2_500;

/** Whether a connection has a session of its own. Otherwise it can set nothing, and has no prepared statements. */
const hasSession = config.database.pooler === "session";
const SET_SESSION = SESSION.map(setOf).join("; ");

/** Without a listener, a connection that is lost before Sequelize listens to it would end the process. */
class Client extends pg.Client {
  constructor(config: pg.ClientConfig) {
    super(config);
    this.on("error", () => {}); // the current query rejects with it, and Sequelize drops the connection
  }
}

type Connection = pg.Client & { _invalid?: boolean; _ending?: boolean; openedAt?: number };

/** Connections opened before this time are no longer used. */
let staleBefore = 0;

export const sequelize = new Sequelize({
  dialect: "postgres",
  dialectModule: { ...pg, Client },
  benchmark: true,
  logging: (sql, ms) => observe(verbOf(sql), ms ?? 0),
  pool: {
    max: config.database.poolMax,
    acquire: ACQUIRE_TIMEOUT,
    idle: 60_000,
    validate: (connection: Connection) =>
      !connection._invalid && !connection._ending && (connection.openedAt ?? 0) >= staleBefore,
  } as PoolOptions,
  ...({ keepDefaultTimezone: true } as Options), // SESSION sets it
  dialectOptions: {
    clientMinMessages: "ignore", // sets nothing
    application_name: "user-service",
    ssl: config.database.ssl,
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    query_timeout: STATEMENT_TIMEOUT + 500, // the client has its own limit because a frozen server does not answer
  },
});
sequelize.addHook("beforeConnect", (options) => {
  if (!address) throw new DependencyUnavailable("database");
  Object.assign(options, address);
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
function retire(connection: Connection, error: unknown): void {
  if (verdictOn(error) === "close") connection._invalid = true;
  if (areAllStale(error)) retireAll();
}

/** Replaces all open connections. */
function retireAll(): void {
  staleBefore = performance.now();
}

/** Sequelize reports a query as `Executed (default): SELECT …`, with its values. Only the verb may be logged. */
const verbOf = (sql: string) => /: (\w+)/.exec(sql)?.[1] ?? "query";

function observe(name: string, ms: number): void {
  queryDuration.observe(ms / 1000);
  noteQuery(name, ms);
}

/** A statement that PostgreSQL parses and plans once per connection, unless a pooler assigns connections. */
export type Statement = { name: string; text: string };

const pool = sequelize.connectionManager as typeof sequelize.connectionManager & {
  getConnection(options?: unknown): Promise<Connection>;
  pool: { size: number; using: number; waiting: number };
};

/**
 * Whatever prevents a connection, such as a changed password or certificate, is repaired by an operator and not by the
 * caller. Sequelize has no hook for it.
 */
const { getConnection } = pool;
pool.getConnection = (options) =>
  getConnection.call(pool, options).catch((error) => Promise.reject(unavailable(error)));

gaugeOf(
  "user_service_database_pool_used_connections",
  "Connections to PostgreSQL that are in use",
  () => pool.pool.using,
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
  () => pool.pool.waiting,
);

/**
 * The maximum number of attempts of a statement or transaction, by the SQLSTATE of its failure. A failed one had no
 * effect.
 */
const ATTEMPTS: Record<string, number> = {
  "0A000": 2, // a cached plan from before a migration: a new connection has none
  "25006": 2, // read-only: a new connection may reach the new primary
  "26000": 2, // a pooler or an operator discarded the prepared statement
  "40P01": 4, // deadlock: PostgreSQL recommends to retry (its manual, 13.5)
  "40001": 4, // serialization failure: the same
};

/** @throws DependencyUnavailable, or what the last attempt of `work` throws */
async function attempt<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempts = 1; ; attempts++)
    try {
      return await work();
    } catch (error) {
      if (attempts >= (ATTEMPTS[sqlState(error) ?? ""] ?? 1)) throw translate(error);
    }
}

/**
 * Runs a prepared statement, in the transaction if one is given, and returns its rows. It bypasses Sequelize's query
 * builder (4 times the rate) and is for hot paths and set operations.
 * @throws DependencyUnavailable if the database is unavailable or too slow; inside a transaction, the original error
 */
export async function query<Row extends pg.QueryResultRow>(
  statement: Statement,
  values: unknown[],
  tx?: Transaction,
): Promise<Row[]> {
  const start = performance.now();
  try {
    if (tx) return await run(connectionOf(tx));
    return await attempt(async () => {
      const connection = await pool.getConnection();
      try {
        return await run(connection);
      } finally {
        pool.releaseConnection(connection);
      }
    });
  } finally {
    observe(statement.name, performance.now() - start);
  }

  async function run(connection: Connection): Promise<Row[]> {
    const { name, text } = statement;
    try {
      return (await connection.query<Row>({ name: hasSession ? name : undefined, text, values })).rows;
    } catch (error) {
      retire(connection, error);
      throw error;
    }
  }
}

const connectionOf = (tx: Transaction) => (tx as Transaction & { connection: Connection }).connection;

/**
 * Runs `work` in a transaction, again if PostgreSQL recommends a retry: `work` must have no other effects.
 * @throws DependencyUnavailable if the database is unavailable or too slow; what `work` throws
 */
export const transaction = <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> =>
  attempt(() =>
    sequelize.transaction((tx) =>
      work(tx).catch((error) => {
        retire(connectionOf(tx), error);
        throw error;
      }),
    ),
  );

/** The number of open connections to PostgreSQL. */
export function openConnections(): number {
  return pool.pool.size;
}

const PING = {
  name: "ping",
  text: `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", EXISTS (SELECT FROM users) AS "any"`,
};

/** @throws DependencyUnavailable if the database does not answer, refuses writes or has no table `users` */
export async function ping(): Promise<void> {
  const [row] = await query<{ readOnly: boolean }>(PING, []);
  if (row?.readOnly) {
    retireAll();
    throw new DependencyUnavailable("database");
  }
}
