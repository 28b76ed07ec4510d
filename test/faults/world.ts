import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { waitFor } from "../helpers/wait-for.ts";
import { type Account, type Ledger, newLedger } from "./ledger.ts";
import { newEvent, type SentEvent, send } from "./neighbours.ts";
import { createNode, type FaultNode } from "./nodes.ts";
import { openTopics, type Topics } from "./topics.ts";
import { createUser, type Door } from "./writers.ts";

/** The environment of a scenario: empty topics, and its own schema, bucket, cluster and consumer group. */
export type World = {
  ledger: Ledger;
  topics: Topics;
  groupId: string;
  /** The variables of all its nodes. */
  env: Record<string, string>;
  nodes: FaultNode[];
  /** Creates a node that runs these services. It keeps its name when it is restarted. */
  addNode(services: string, env?: Record<string, string>): Promise<FaultNode>;
  /** Starts all nodes; resolves when all are ready. `root` is the folder of their source. */
  startAll(root?: string): Promise<void>;
  /** The address of PostgreSQL. */
  server: { host?: string; port: number; database: string; user: string; password: string };
  /** Runs SQL on the scenario's schema; repeats it if PostgreSQL is unavailable. Returns the rows. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
};

export async function openWorld(): Promise<World> {
  const id = `faults_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const env = {
    DATABASE_SCHEMA: id,
    NAMESPACE: id,
    KAFKA_GROUP_ID: id,
    MINIO_BUCKET: id.replace("_", "-"),
  };
  const topics = await openTopics();
  await topics.empty();
  const nodes: FaultNode[] = [];
  let names = 0;
  const server = {
    host: process.env.DATABASE_HOST,
    port: Number(process.env.DATABASE_PORT ?? 5432),
    database: process.env.DATABASE_NAME ?? "ai_video_interview",
    user: process.env.DATABASE_USER ?? "postgres",
    password: process.env.DATABASE_PASSWORD ?? "postgres",
  };
  const pool = new pg.Pool({ ...server, options: `-c search_path=${id},public`, max: 4 });
  pool.on("error", () => {});

  const world: World = {
    ledger: newLedger(),
    topics,
    groupId: id,
    env,
    nodes,
    server,
    async addNode(services, more = {}) {
      const NODEID = `node-${++names}`;
      const node = await createNode({ ...env, SERVICES: services, NODEID, ...more });
      nodes.push(node);
      return node;
    },
    async startAll(root) {
      await Promise.all(nodes.map((node) => node.start(root)));
      await Promise.all(nodes.map((node) => node.ready()));
    },
    async sql(text, values) {
      for (let attempt = 1; ; attempt++)
        try {
          return (await pool.query(text, values)).rows;
        } catch (error) {
          if (attempt === 50) throw error;
          await sleep(200);
        }
    },
    async close() {
      await Promise.all(nodes.map((node) => node.kill()));
      const cleaning = [world.sql(`DROP SCHEMA IF EXISTS ${id} CASCADE`), topics.removeNamespace(id)];
      await Promise.allSettled(cleaning); // a server that is still unavailable was already reported
      await Promise.all([pool.end(), topics.close()]);
    },
  };
  return world;
}

const EVENTUALLY = 120_000; // ms: anything that takes longer counts as lost

/**
 * Waits until everything works again after a fault: at each door a write is answered, its event is published, and an event
 * of another service about its user is counted. Adds the time to the ledger.
 */
export async function recover(world: World, doors: Door[]): Promise<void> {
  const { ledger, topics } = world;
  const start = Date.now();
  const recovered = async (door: Door) => {
    const account = await firstUser(ledger, door);
    const answered = Date.now() - start;
    const event = newEvent(ledger, account);
    await send(topics, [event]);
    const sent = Date.now() - start;
    const [published, counted] = await Promise.all(
      [() => isPublished(world, account.id), () => isCounted(world, event)].map(async (look) => {
        await waitFor(async () => (await look()) || void (await sleep(50)), EVENTUALLY);
        return Date.now() - start;
      }),
    );
    return { answered, published, sent, counted };
  };
  const times = await Promise.all(doors.map(recovered));
  ledger.gaps.push({ ms: Date.now() - start, what: `${ledger.fault}: ${JSON.stringify(times)}` });
}

/** The first user whose creation is answered with 201. */
async function firstUser(ledger: Ledger, door: Door): Promise<Account> {
  for (const end = Date.now() + EVENTUALLY; Date.now() < end; await sleep(50)) {
    const account = await createUser(ledger, door);
    if (account) return account;
  }
  throw new Error(`No write was answered with 2xx for ${EVENTUALLY} ms`);
}

const isPublished = async ({ sql }: World, userId: string) =>
  (await sql("SELECT 1 FROM outbox WHERE key = $1", [userId])).length === 0;

const isCounted = async ({ sql }: World, { topic, eventId }: SentEvent) =>
  (await sql("SELECT 1 FROM processed_events WHERE event_id = $1", [`${topic}:${eventId}`])).length > 0;

/** Waits until all accepted writes took effect, or nothing more happens; the verifier distinguishes the two. */
export async function settle({ ledger, sql, nodes }: World): Promise<void> {
  await Promise.all(nodes.map((node) => node.ready()));
  const done = async () => {
    const [waiting] = await sql<{ n: number }>(
      "SELECT (SELECT count(*) FROM outbox)::int + (SELECT count(*) FROM dead_letters WHERE retry_at IS NOT NULL)::int AS n",
    );
    const [counted] = await sql<{ n: number }>("SELECT count(*)::int AS n FROM processed_events");
    await sleep(200);
    return waiting?.n === 0 && (counted?.n ?? 0) >= ledger.events;
  };
  await waitFor(done, EVENTUALLY).catch(() => {});
}
