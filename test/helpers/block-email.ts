import type pg from "pg";
import type { TestDatabase } from "./database.ts";

/** An open transaction with a user of this e-mail: who inserts the same e-mail waits for its end. */
export async function blockEmail(database: TestDatabase, email: string): Promise<pg.Client> {
  const client = await database.begin();
  await client.query("INSERT INTO users (keycloak_id, email, full_name) VALUES ('blocker', $1, 'B')", [
    email,
  ]);
  return client;
}
