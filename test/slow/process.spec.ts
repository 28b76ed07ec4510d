import { exec } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { freePort } from "../helpers/free-port.ts";
import { postUser, type ServiceProcess, spawnService, statusOf } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

const MIGRATIONS = readdirSync(join(import.meta.dirname, "../../migrations"))
  .filter((file) => file.startsWith("2"))
  .map((file) => file.replace(/\.ts$/, ""));

let processes: ServiceProcess[] = [];
let databases: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(processes.map((service) => service.remove()));
  await Promise.all(databases.map((database) => database.drop()));
  [processes, databases] = [[], []];
});

async function newDatabase(options?: { migrated: boolean }): Promise<TestDatabase> {
  const database = await createDatabase(options);
  databases.push(database);
  return database;
}
async function start(env: Record<string, string>): Promise<ServiceProcess> {
  const service = await spawnService(env);
  processes.push(service);
  return service;
}
async function startReady(): Promise<{ service: ServiceProcess; database: TestDatabase }> {
  const database = await newDatabase();
  const service = await start(database.env);
  await service.ready();
  return { service, database };
}

test("start: without AUTH_ISSUER, a curl command is printed, and it works", async () => {
  const { service } = await startReady();
  const curl = await waitFor(() => /^curl .*$/m.exec(service.printed())?.[0]);
  const { stdout } = await promisify(exec)(curl ?? "");
  expect(JSON.parse(stdout)).toEqual({ items: [], nextCursor: null });
  expect(service.printed()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/m); // the token, alone on a line
});

describe("the start fails with one line", () => {
  /** Starts the service, which must fail. Returns the only line that it printed. */
  async function lineOf(env: Record<string, string>): Promise<string> {
    const service = await start(env);
    expect(await service.ended).toBe(1);
    expect(service.printed().trim().split("\n")).toHaveLength(1);
    return service.printed().trim();
  }

  test.each(["PORT", "METRICS_PORT"])("if %s is in use, and the line names it", async (name) => {
    const taken = createServer().listen(await freePort());
    try {
      const { port } = taken.address() as { port: number };
      const { env } = await newDatabase();
      const line = await lineOf({ ...env, [name]: String(port) });
      expect(line).toMatch(new RegExp(`^${name}\\b`));
      expect(line).toContain(String(port));
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });

  test("if a value is invalid", async () => {
    expect(await lineOf({ LOG_LEVEL: "loud" })).toMatch(/^LOG_LEVEL: "loud" .*trace, debug, info/);
  });

  test("if migrations are pending with NODE_ENV=production; the line names them, and nothing is changed", async () => {
    const database = await newDatabase({ migrated: false });
    const line = await lineOf({
      ...database.env,
      NODE_ENV: "production",
      KAFKA_BROKERS: "127.0.0.1:1",
      NAMESPACE: "test",
      MINIO_ENDPOINT: "127.0.0.1",
      MINIO_SECRET_KEY: "a key of our own",
      DATABASE_PASSWORD: database.env.DATABASE_PASSWORD || "ignored by this server",
      PUBLIC_URL: "https://users.example",
      AUTH_ISSUER: "http://127.0.0.1:1/realms/none",
    });
    for (const name of MIGRATIONS) expect(line).toContain(name);
    expect(await database.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'user_service'")).toEqual([]);
  });

  test("if the database refuses the password", async () => {
    const { env } = await newDatabase();
    expect(await lineOf({ ...env, DATABASE_PASSWORD: "hunter2" })).toMatch(
      /^DATABASE_USER.*DATABASE_PASSWORD/,
    );
  });
});

test("start: two nodes on an empty database migrate it once, and both serve", async () => {
  const database = await newDatabase({ migrated: false });
  const nodes = await Promise.all([start(database.env), start(database.env)]);
  await Promise.all(nodes.map((node) => node.ready()));
  const rows = await database.sql<{ name: string }>("SELECT name FROM migrations ORDER BY name");
  expect(rows.map(({ name }) => name)).toEqual(MIGRATIONS.toSorted());
  for (const { url } of nodes) expect((await postUser(url)).status).toBe(201);
});

/** Forwards connections from a TCP port to the test server. */
function proxyTo({ DATABASE_HOST, DATABASE_PORT }: Partial<Record<string, string>>): {
  server: Server;
  cut(): void;
} {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(join(DATABASE_HOST ?? "", `.s.PGSQL.${DATABASE_PORT}`));
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => [client, upstream].map((other) => other.destroy()));
    }
    client.pipe(upstream).pipe(client);
  });
  return { server, cut: () => sockets.forEach((socket) => void socket.destroy()) };
}

test("start: without a database the service is live but not ready; it serves once the database is available, and reports a later outage", async () => {
  const database = await newDatabase({ migrated: false });
  const port = await freePort();
  const service = await start({ ...database.env, DATABASE_HOST: "127.0.0.1", DATABASE_PORT: String(port) });
  for (const url of [service.nodeUrl, service.url]) {
    await waitFor(async () => (await statusOf(`${url}/health/live`)) === 200, 10_000);
    expect(await statusOf(`${url}/health/ready`)).toBe(503);
  }
  expect(await statusOf(`${service.url}/health`)).toBe(503);
  expect(await postUser(service.url)).toMatchObject({
    status: 503,
    retryAfter: expect.stringMatching(/^\d+$/),
  });

  const { server, cut } = proxyTo(database.env);
  try {
    server.listen(port, "127.0.0.1");
    await service.ready();
    expect((await postUser(service.url)).status).toBe(201);

    await new Promise((resolve) => [server.close(resolve), cut()]);
    expect((await postUser(service.url)).status).toBe(503);
    const health = await fetch(`${service.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: "error", database: { status: "disconnected" } });
    expect(await statusOf(`${service.url}/health/live`)).toBe(200);

    server.listen(port, "127.0.0.1");
    await waitFor(async () => (await postUser(service.url)).status === 201, 3_000);
  } finally {
    server.close();
    cut();
  }
});
