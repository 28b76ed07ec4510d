import type pg from "pg";
import type { TestDatabase } from "./database.ts";

/** Opens a transaction that has inserted this e-mail. Another insert of it waits until the transaction ends. */
export async function blockEmail(database: TestDatabase, email: string): Promise<pg.Client> {
  const client = await database.begin();
  await client.query("INSERT INTO users (keycloak_id, email, full_name) VALUES ('blocker', $1, 'B')", [
    email,
  ]);
  return client;
}
