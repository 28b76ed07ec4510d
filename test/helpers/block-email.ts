import pg from "pg";
import type { TestDatabase } from "./database.ts";

/** An open transaction with a user of this e-mail: who inserts the same e-mail waits for its end. */
export async function blockEmail(database: TestDatabase, email: string): Promise<pg.Client> {
  const { DATABASE_HOST, DATABASE_PORT, DATABASE_USER, DATABASE_PASSWORD, DATABASE_NAME } = database.env;
  const client = new pg.Client({
    host: DATABASE_HOST,
    port: Number(DATABASE_PORT),
    user: DATABASE_USER,
    password: DATABASE_PASSWORD,
    database: DATABASE_NAME,
  });
  await client.connect();
  await client.query("BEGIN");
  await client.query(
    "INSERT INTO user_service.users (keycloak_id, email, full_name) VALUES ('blocker', $1, 'B')",
    [email],
  );
  return client;
}

/** Whether a query waits for a lock. */
export const someoneWaits = async (database: TestDatabase): Promise<boolean> =>
  (
    await database.sql(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
  ).length > 0;
