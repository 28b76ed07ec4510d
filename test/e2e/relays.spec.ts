import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { startNeighbour } from "../helpers/neighbour.ts";
import { type ServiceProcess, spawnService } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Two nodes that publish the same outbox to a real Kafka, while one of them fails. */

const id = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
const schema = `e2e_${id}`;
const { DATABASE_HOST: host = "", DATABASE_PORT: port = "5432", KAFKA_BROKERS = "" } = process.env;
const env = {
  DATABASE_HOST: host,
  DATABASE_PORT: port,
  KAFKA_BROKERS,
  DATABASE_SCHEMA: schema,
  NAMESPACE: `e2e-${id}`,
  SERVICES: "outbox",
};
const USERS = Array.from({ length: 64 }, () => crypto.randomUUID());

let database: pg.Client;
let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
const nodes: ServiceProcess[] = [];
beforeAll(async () => {
  const login = { user: "postgres", password: "postgres", database: "ai_video_interview" };
  database = new pg.Client({ host, port: Number(port), ...login });
  await database.connect();
  neighbour = await startNeighbour();
  await startNode("one"); // this node migrates the schema
  await startNode("other");
  await database.query(`SET search_path = ${schema}`);
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  await neighbour?.stop();
  await database.query(`DROP SCHEMA ${schema} CASCADE`);
  await database.end();
});

async function startNode(NODEID: string): Promise<ServiceProcess> {
  const node = await spawnService({ ...env, NODEID: `${NODEID}-${id}` });
  nodes.push(node);
  await node.ready(60_000);
  return node;
}

/** The number of shards of each node, in descending order. */
async function split(): Promise<string> {
  const { rows } = await database.query<{ shards: number }>(`
    SELECT count(*)::int AS shards FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 'outbox'::regclass AND objid < 32 AND granted
    GROUP BY pid ORDER BY 1 DESC`);
  return rows.map(({ shards }) => shards).join();
}

/** Commits events of each user one after the other until it is stopped. Resolves with the number per user. */
async function write(mark: string, stop: AbortSignal): Promise<number> {
  let rounds = 0;
  for (; !stop.aborted; await sleep(5)) {
    const correlationId = `${mark} ${++rounds}`;
    const value = JSON.stringify({ eventType: "user.updated", metadata: { correlationId } });
    await database.query(
      "INSERT INTO outbox (topic, key, value) SELECT 'user-events', key, $2 FROM unnest($1::text[]) AS users (key)",
      [USERS, value],
    );
  }
  return rounds;
}

/** The numbers of a user's events, in the order of arrival. */
const arrivals = (key: string, mark: string): number[] =>
  neighbour.received
    .filter((one) => one.key === key && one.value.metadata.correlationId.startsWith(`${mark} `))
    .map(({ value }) => Number(value.metadata.correlationId.split(" ")[1]));

test.each([
  ["dies", "SIGKILL"],
  ["freezes", "SIGSTOP"],
] as const)(
  "if one of two relays %s, the other takes over all shards within 5 s, and every event is published in order",
  async (what, signal) => {
    await waitFor(async () => (await split()) === "16,16");
    const writing = new AbortController();
    const written = write(what, writing.signal);
    await sleep(1_000);
    const node = nodes.at(-1);
    node?.child.kill(signal);
    await waitFor(async () => (await split()) === "32", 5_000);
    await sleep(1_000);
    node?.child.kill("SIGCONT");
    if (signal === "SIGKILL") await startNode("third");
    await waitFor(async () => (await split()) === "16,16");
    await sleep(1_000);
    writing.abort();
    const rounds = await written;

    const expected = Array.from({ length: rounds }, (_, n) => n + 1);
    await waitFor(() => USERS.every((key) => new Set(arrivals(key, what)).size === rounds));
    for (const key of USERS) expect([...new Set(arrivals(key, what))]).toEqual(expected);
    // only events that were being published when the node failed arrive twice
    const doubled = USERS.map((key) => arrivals(key, what).length - rounds).reduce((a, b) => a + b, 0);
    expect(doubled).toBeLessThanOrEqual(2 * 1_600);
  },
  180_000,
);
