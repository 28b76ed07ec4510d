import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { INTERNAL_TOKEN, postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The pools of test/servers.sh: `session`, and `transaction` with three connections to PostgreSQL. */
const schema = `e2e_${crypto.randomUUID().replaceAll("-", "")}`;
const bouncer = { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: process.env.PGBOUNCER_PORT ?? "" };
const asPooled = {
  ...bouncer,
  DATABASE_USER: "pooled",
  DATABASE_PASSWORD: "pooled",
  DATABASE_SCHEMA: schema,
};
const asTransaction = { ...asPooled, DATABASE_NAME: "transaction", DATABASE_POOLER: "transaction" };

let server: pg.Client;
let nodes: ServiceProcess[] = [];
beforeAll(async () => {
  const { DATABASE_HOST: host, DATABASE_PORT: port = 5432 } = process.env;
  const login = { user: "postgres", password: "postgres", database: "ai_video_interview" };
  server = new pg.Client({ host, port: Number(port), ...login });
  await server.connect();
  const { rowCount } = await server.query("SELECT FROM pg_roles WHERE rolname = 'pooled'");
  if (rowCount === 0) await server.query("CREATE ROLE pooled LOGIN PASSWORD 'pooled'");
  await server.query("ALTER ROLE pooled IN DATABASE ai_video_interview RESET ALL");
  await reconnect(); // connections of an earlier run have the defaults of that time
  await server.query(`CREATE SCHEMA ${schema} AUTHORIZATION pooled`);
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  nodes = [];
});
afterAll(async () => {
  await server.query(`DROP SCHEMA ${schema} CASCADE`);
  await server.end();
});

/** Makes PgBouncer open new connections to PostgreSQL. */
async function reconnect(): Promise<void> {
  const login = { user: "postgres", password: "postgres", database: "pgbouncer" };
  const admin = new pg.Client({ host: "127.0.0.1", port: Number(bouncer.DATABASE_PORT), ...login });
  await admin.connect();
  await admin.query("RECONNECT");
  await admin.end();
}

async function start(env: Record<string, string>): Promise<ServiceProcess> {
  const node = await spawnService(env);
  nodes.push(node);
  return node;
}

/** Sends concurrent requests that use statements, transactions and Sequelize. Returns their statuses. */
async function useAll(url: string): Promise<number[]> {
  const headers = { "x-internal-token": INTERNAL_TOKEN, "content-type": "application/json" };
  const ask = async (method: string, path: string, body?: object) =>
    (await fetch(`${url}/api/v1/users${path}`, { method, headers, body: body && JSON.stringify(body) }))
      .status;
  const oneUser = async () => {
    const { status, id } = await postUser(url);
    return [
      status,
      ...(await Promise.all([
        ask("GET", `/${id}`),
        ask("GET", "?limit=2&count=true"),
        ask("PATCH", `/${id}`, { profile: { bio: "a \\ backslash's" } }),
        ask("PATCH", `/${id}/quotas`, { maxInterviews: 9 }),
        ask("POST", `/${id}/stats/increment-interviews`),
        ask("POST", `/${id}/quota/reservations`, { resource: "interviews" }),
        ask("DELETE", `/${id}/avatar`),
      ])),
    ];
  };
  return (await Promise.all(Array.from({ length: 20 }, oneUser))).flat();
}

const ALL = Array(20).fill([201, 200, 200, 200, 200, 200, 201, 404]).flat();

async function outboxIsEmpty(): Promise<boolean> {
  return (await server.query(`SELECT FROM ${schema}.outbox`)).rowCount === 0;
}

test("behind a pooler in session mode, the service works with the default settings", async () => {
  const node = await start({ ...asPooled, DATABASE_NAME: "session" });
  await node.ready();
  expect(await useAll(node.url)).toEqual(ALL);
  await waitFor(outboxIsEmpty);
});

describe("behind a pooler in transaction mode", () => {
  test("the start is refused with one line unless DATABASE_POOLER is transaction", async () => {
    const node = await start({ ...asPooled, DATABASE_NAME: "transaction" });
    expect(await node.ended).toBe(1);
    expect(node.printed()).toMatch(/^DATABASE_POOLER: [^\n]* set it to transaction\n$/);
  });

  test("the start is refused with the SQL that the role needs; after that SQL, two nodes work with five connections", async () => {
    const refused = await start(asTransaction);
    expect(await refused.ended).toBe(1);
    const [, sql = ""] = /^DATABASE_POOLER: [^:\n]*: (ALTER ROLE [^\n]*)\n$/.exec(refused.printed()) ?? [];
    await server.query(sql);
    await reconnect();

    const [one, other] = await Promise.all([start(asTransaction), start(asTransaction)]);
    await Promise.all([one.ready(), other.ready()]);
    for (let round = 0; round < 3; round++)
      expect(await Promise.all([useAll(one.url), useAll(other.url)])).toEqual([ALL, ALL]);
    await waitFor(outboxIsEmpty);
    const used = await server.query("SELECT FROM pg_stat_activity WHERE usename = 'pooled'");
    expect(used.rowCount).toBeLessThanOrEqual(5);
  });

  test("a node is not ready while its role lacks the defaults, and serves again once they are restored", async () => {
    const node = await start(asTransaction);
    await node.ready();
    const set = (how: string) => server.query(`ALTER ROLE pooled IN DATABASE ai_video_interview ${how}`);
    await set("RESET search_path");
    await reconnect();
    const isReady = async () => (await fetch(`${node.nodeUrl}/health/ready`)).status === 200;
    await waitFor(async () => !(await isReady()));
    expect(await postUser(node.url)).toMatchObject({ status: 503, retryAfter: expect.any(String) });
    await set(`SET search_path = ${schema}, public`);
    await reconnect();
    await waitFor(isReady);
    expect((await postUser(node.url)).status).toBe(201);
  });
});
