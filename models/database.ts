import type pg from "pg";
import type { Transaction } from "sequelize";
import { DependencyUnavailable } from "../lib/contract/errors.ts";
import { type Connection, hasSession, observe, pool, retire, retireAll, sequelize } from "./connections.ts";
import { sqlState, translate } from "./database.errors.ts";

/** The two ways to use the primary without Sequelize's models: statements and transactions. */

/** A statement that PostgreSQL parses and plans once per connection, unless a pooler assigns connections. */
export type Statement = { name: string; text: string };

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

const PING = {
  name: "ping",
  text: `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", EXISTS (SELECT FROM users) AS "any"`,
};

/** @throws DependencyUnavailable if the database does not answer, refuses writes or has no table `users` */
export async function ping(): Promise<void> {
  const [row] = await query<{ readOnly: boolean }>(PING, []);
  if (row?.readOnly) {
    retireAll("write");
    throw new DependencyUnavailable("database");
  }
}
