import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { grantsFor } from "../../lib/postgres/role.ts";
import { migrateUp } from "../../migrations/migrate.ts";

/**
 * Starts one real PostgreSQL for all test files, with a migrated database that each file clones (test/helpers/database.ts).
 * The service connects as a role with no other rights than those of `npm run migration:grants`.
 */
export default async function setup(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-test-"));
  const settings = { fsync: "off", max_connections: "200" }; // the data is deleted after the run
  const postgres = await startEmbeddedPostgres({ dataDir, database: "template_users", settings });
  const { stop, ...address } = postgres;
  await migrateUp({ ...address, schema: "user_service" });
  const client = new pg.Client(address);
  await client.connect();
  await client.query("CREATE ROLE runtime LOGIN PASSWORD 'runtime'");
  await client.query(grantsFor("runtime", address.database, "user_service").join("; "));
  await client.end();
  process.env.TEST_DATABASE = JSON.stringify(address);
  Object.assign(globalThis, {
    async stopTestDatabase() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  });
}
