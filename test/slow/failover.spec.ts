import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { INTERNAL_TOKEN, postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";

/** A separate server, because the test changes a setting of the whole server. */
let dataDir: string;
let postgres: EmbeddedPostgres;
let node: ServiceProcess;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "user-service-failover-"));
  await chmod(dataDir, 0o755); // PostgreSQL's account enters it when root runs the tests
  postgres = await startEmbeddedPostgres({ dataDir, database: "users", settings: { fsync: "off" } });
  node = await spawnService({
    DATABASE_HOST: postgres.host,
    DATABASE_PORT: String(postgres.port),
    DATABASE_USER: postgres.user,
    DATABASE_PASSWORD: postgres.password,
    DATABASE_NAME: postgres.database,
  });
  await node.ready();
}, 60_000);
afterAll(async () => {
  await node?.remove();
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

/** A statement and a transaction for each of many users at once; their statuses. */
async function write(): Promise<number[]> {
  const headers = { "x-internal-token": INTERNAL_TOKEN, "content-type": "application/json" };
  const one = async () => {
    const { status, id } = await postUser(node.url);
    const quotas = `${node.url}/api/v1/users/${id}/quotas`;
    const changed = await fetch(quotas, { method: "PATCH", headers, body: '{"maxInterviews":9}' });
    return [status, changed.status];
  };
  return (await Promise.all(Array.from({ length: 30 }, one))).flat();
}

test("open connections to a primary that became read-only are replaced, and no write fails", async () => {
  const written = Array(30).fill([201, 200]).flat();
  expect(await write()).toEqual(written);
  const { host, port, user, password, database } = postgres;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  // open sessions become read-only and new ones are writable, as if those went to the new primary
  await client.query("ALTER DATABASE users SET default_transaction_read_only = off");
  await client.query("ALTER SYSTEM SET default_transaction_read_only = on");
  await client.query("SELECT pg_reload_conf()");
  await sleep(200);
  expect((await client.query("SHOW transaction_read_only")).rows).toEqual([{ transaction_read_only: "on" }]);
  await client.end();
  expect(await write()).toEqual(written);
});
