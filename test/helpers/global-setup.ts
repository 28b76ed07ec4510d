import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { migrateUp } from "../../migrations/migrate.ts";

/** Starts one real PostgreSQL for all test files, with a migrated database that each file clones (test/helpers/database.ts). */
export default async function setup(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-test-"));
  const settings = { fsync: "off", max_connections: "200" }; // the data is deleted after the run
  const postgres = await startEmbeddedPostgres({ dataDir, database: "template_users", settings });
  const { stop, ...address } = postgres;
  await migrateUp({ ...address, schema: "user_service" });
  process.env.TEST_DATABASE = JSON.stringify(address);
  Object.assign(globalThis, {
    async stopTestDatabase() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  });
}
