import pg from "pg";
import { Sequelize, type Transaction } from "sequelize";
import { DependencyUnavailable } from "../lib/contract/errors.ts";
import { config } from "../lib/runtime/config.ts";
import { gaugeOf, queryDuration } from "../lib/runtime/metrics.ts";
import { noteQuery } from "../lib/tracing/spans.ts";

/** The connection to PostgreSQL that all services of a node share, and the two ways to use it by hand. */

// BIGINT comes as text by default; ours stay within 2^53, or are shown clamped.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Where PostgreSQL listens; `host` may be the folder of a Unix socket. */
export type Address = { host: string; port: number; username: string; password: string; database: string };

let address: Address | undefined;

/** Says where the database is, before the first query. */
export function useDatabase(at: Address): void {
  address = at;
}

/** A request ends within its 5 s (moleculer.config.ts), so whatever the database is asked must give up before. In ms. */
const ACQUIRE_TIMEOUT = 2_500;
const STATEMENT_TIMEOUT = 3_000;

/** A client that loses its connection in the moment before Sequelize listens to it would end the process. */
class Client extends pg.Client {
  constructor(config: pg.ClientConfig) {
    super(config);
    this.on("error", () => {}); // the query under way rejects with it, and Sequelize drops the connection
  }
}

export const sequelize = new Sequelize({
  dialect: "postgres",
  dialectModule: { ...pg, Client },
  benchmark: true,
  logging: (sql, ms) => observe(verbOf(sql), ms ?? 0),
  pool: { max: config.database.poolMax, acquire: ACQUIRE_TIMEOUT, idle: 60_000 },
  dialectOptions: {
    application_name: "user-service",
    options: `-c search_path=${config.database.schema},public`,
    ssl: config.database.ssl || undefined,
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    statement_timeout: STATEMENT_TIMEOUT,
    query_timeout: STATEMENT_TIMEOUT + 500, // a frozen server tells nothing: the client counts too
    idle_in_transaction_session_timeout: 30_000,
  },
});
sequelize.addHook("beforeConnect", (options) => {
  if (!address) throw new DependencyUnavailable("database");
  Object.assign(options, address);
});

/** Sequelize tells a query as `Executed (default): SELECT …`, with its values: only the verb may be told on. */
const verbOf = (sql: string) => /: (\w+)/.exec(sql)?.[1] ?? "query";

function observe(name: string, ms: number): void {
  queryDuration.observe(ms / 1000);
  noteQuery(name, ms);
}

/** A statement that PostgreSQL parses and plans once for each connection. */
export type Statement = { name: string; text: string };

type Connection = pg.Client & { _invalid?: boolean };
const pool = sequelize.connectionManager as unknown as {
  getConnection(): Promise<Connection>;
  releaseConnection(connection: Connection): void;
  pool: { size: number; using: number; waiting: number };
};

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
  "Connections to PostgreSQL that may be open: DATABASE_POOL_MAX, or none where no service needs one",
  () => (config.needsDatabase ? config.database.poolMax : 0),
);
gaugeOf(
  "user_service_database_pool_waiting_requests",
  "Transactions and queries that wait for a connection",
  () => pool.pool.waiting,
);

/**
 * Runs one prepared statement, in the transaction if one is given, and returns its rows.
 * Goes past Sequelize's query builder (4 times the rate, DESIGN.md): for hot paths and set operations.
 * @throws DependencyUnavailable where the database is out of reach or too slow
 */
export async function query<Row extends pg.QueryResultRow>(
  statement: Statement,
  values: unknown[],
  tx?: Transaction,
): Promise<Row[]> {
  const start = performance.now();
  try {
    if (tx) return await run(connectionOf(tx));
    const connection = await pool.getConnection();
    try {
      return await run(connection);
    } finally {
      pool.releaseConnection(connection);
    }
  } catch (error) {
    throw translate(error);
  } finally {
    observe(statement.name, performance.now() - start);
  }

  async function run(connection: Connection): Promise<Row[]> {
    try {
      return (await connection.query<Row>({ ...statement, values })).rows;
    } catch (error) {
      // still busy with what timed out: whoever took it next would wait behind
      if (isUnreachable(error)) connection._invalid = true;
      throw error;
    }
  }
}

const connectionOf = (tx: Transaction) => (tx as unknown as { connection: Connection }).connection;

/** Deadlock, and a serialization failure: PostgreSQL asks to try again (its manual, 13.5). */
const TRY_AGAIN = ["40P01", "40001"];

/**
 * Runs `work` in a transaction, again where PostgreSQL asks for it: `work` must not do anything else.
 * @throws DependencyUnavailable where the database is out of reach or too slow; what `work` throws
 */
export async function transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++)
    try {
      return await sequelize.transaction(work);
    } catch (error) {
      if (attempt < 4 && TRY_AGAIN.includes(sqlState(error) ?? "")) continue;
      throw translate(error);
    }
}

/** How many connections to PostgreSQL are open. */
export function openConnections(): number {
  return pool.pool.size;
}

/** @throws DependencyUnavailable where the database does not answer */
export async function ping(): Promise<void> {
  await query({ name: "ping", text: "SELECT 1" }, []);
}

/** The SQLSTATE of a failed query, whether it comes from pg or wrapped by Sequelize. */
export function sqlState(error: unknown): string | undefined {
  const { code, parent } = error as { code?: string; parent?: { code?: string } };
  return parent?.code ?? code;
}

/**
 * SQLSTATE classes and system errors that mean "not now" rather than "wrong": connection failures (08), too many
 * connections (53), shutdown (57P), timeout (57014), a schema that is yet to be migrated (42P01, 3F000).
 */
const UNREACHABLE = /^(08|53|57P|57014|42P01|3F000|25P0|40P01|40001|E[A-Z]+$)/;
const CONNECTION_LOST = /terminated|timeout|Connection|not queryable|TimeoutError/;

function isUnreachable(error: unknown): boolean {
  const { name = "", message = "" } = error as Error;
  const state = sqlState(error);
  return state ? UNREACHABLE.test(state) : CONNECTION_LOST.test(`${name} ${message}`);
}

/** Whether PostgreSQL said it, or could not be asked. */
export const isDatabaseError = (error: unknown): boolean =>
  (error as { data?: { dependency?: string } }).data?.dependency === "database" ||
  /^[0-9A-Z]{5}$/.test(sqlState(error) ?? "");

/** The same error, or DependencyUnavailable in place of one that says the database is out of reach. */
export const translate = (error: unknown): unknown =>
  !(error instanceof DependencyUnavailable) && isUnreachable(error)
    ? Object.assign(new DependencyUnavailable("database"), { cause: error })
    : error;
