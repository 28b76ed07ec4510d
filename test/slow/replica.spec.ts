import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { INTERNAL_TOKEN, postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { type Replicated, startReplicated } from "../helpers/replica.ts";
import { samplesAt } from "../helpers/samples.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Lists are read from a real streaming replica, which falls behind, hangs, fails and is promoted. */

let databases: Replicated;
let node: ServiceProcess;
beforeAll(async () => {
  databases = await startReplicated();
  node = await spawnService({ ...databases.env, LOG_LEVEL: "info" });
  await node.ready();
}, 60_000);
afterAll(async () => {
  await databases?.signal("SIGCONT").catch(() => {});
  await node?.remove();
  await databases?.stop();
});

type Answer = {
  status: number;
  ms: number;
  body: { items: { id: string }[]; total: number; email: string; keycloakId: string };
};

async function get(path: string): Promise<Answer> {
  const start = performance.now();
  const headers = { "x-internal-token": INTERNAL_TOKEN };
  const answer = await fetch(`${node.url}/api/v1/users${path}`, { headers });
  const body = (await answer.json()) as Answer["body"];
  return { status: answer.status, ms: performance.now() - start, body };
}
const list = () => get("?count=true");
const isListed = async (id: string) => (await list()).body.items.some((user) => user.id === id);

async function create(): Promise<string> {
  const { status, id = "" } = await postUser(node.url);
  expect(status).toBe(201);
  return id;
}

const readiness = async () => (await fetch(`${node.nodeUrl}/health/ready`)).json();
/** Waits for the next log line about the replica. */
let linesRead = 0;
async function nextLine(): Promise<string> {
  const find = () =>
    node
      .printed()
      .split("\n")
      .filter((line) => line.includes("database_replica"))[linesRead];
  const line = await waitFor(find, 15_000);
  linesRead++;
  return JSON.parse(line).message;
}
const USED = "Lists are read from the replica";
const UNAVAILABLE = "The replica is unavailable: lists are read from the primary";
const BEHIND = "The replica is 5 s behind: lists are read from the primary";

/** Requests lists again and again until `fault` is over. */
async function listDuring(fault: () => Promise<unknown>): Promise<Answer[]> {
  const answers: Answer[] = [];
  let isOver = false;
  const listing = Array.from({ length: 4 }, async () => {
    while (!isOver) answers.push(await list());
  });
  await fault();
  isOver = true;
  await Promise.all(listing);
  return answers;
}
const statuses = (answers: Answer[]) => new Set(answers.map(({ status }) => status));

const isUsed = async () => {
  const { degraded = [] } = (await readiness()) as { degraded?: string[] };
  return !degraded.includes("replica");
};

test("lists and searches are read from the replica, and everything else from the primary", async () => {
  expect(await nextLine()).toBe(USED);
  const before = await create();
  await waitFor(() => isListed(before));
  await databases.onReplica("SELECT pg_wal_replay_pause()");
  const id = await create();
  const { email, keycloakId } = (await get(`/${id}`)).body;
  for (const path of [`/by-email/${email}`, `/by-keycloak/${keycloakId}`, `/${id}/history`, `/${id}/quotas`])
    expect([path, (await get(path)).status]).toEqual([path, 200]);
  const { body } = await list();
  expect([body.items.map((user) => user.id), body.total]).toEqual([[before], 1]);
  expect((await get("?search=example")).body.items).toHaveLength(1);
  await databases.onReplica("SELECT pg_wal_replay_resume()");
  await waitFor(() => isListed(id));
  expect(await isUsed()).toBe(true);
});

test("a replica that falls behind is used for at most 5 s; then lists are read from the primary, and the node is degraded", async () => {
  await databases.onReplica("SELECT pg_wal_replay_pause()");
  const id = await create();
  const start = performance.now();
  const answers = await listDuring(() => waitFor(() => isListed(id), 10_000));
  expect(performance.now() - start).toBeLessThan(6_000);
  expect(statuses(answers)).toEqual(new Set([200]));
  expect(await readiness()).toEqual({ status: "ok", degraded: ["replica"] });
  const samples = await samplesAt(node.nodeUrl);
  expect(samples['user_service_node_degraded{part="replica"}']).toBe(1);
  expect(samples.user_service_database_replica_age_seconds).toBeGreaterThanOrEqual(5);
  expect(await nextLine()).toBe(BEHIND);
  await databases.onReplica("SELECT pg_wal_replay_resume()");
  expect(await nextLine()).toBe(USED);
}, 60_000);

test("a replica without a connection to its primary counts as behind, although it has replayed everything that it received", async () => {
  const connect = "ALTER SYSTEM SET primary_conninfo =";
  const [{ primary_conninfo: address = "" } = {}] =
    await databases.onReplica<Record<string, string>>("SHOW primary_conninfo");
  await databases.onReplica(`${connect} 'host=/nowhere'`);
  await databases.onReplica("SELECT pg_reload_conf(), pg_sleep(0.5)");
  const id = await create();
  expect(await nextLine()).toBe(BEHIND);
  expect(await isListed(id)).toBe(true);
  await databases.onReplica(`${connect} '${address}'`);
  await databases.onReplica("SELECT pg_reload_conf()");
  expect(await nextLine()).toBe(USED);
}, 60_000);

test("a frozen replica delays lists by at most 3 s, and later lists not at all", async () => {
  const answers = await listDuring(async () => {
    await databases.signal("SIGSTOP");
    expect(await nextLine()).toBe(UNAVAILABLE);
  });
  expect(statuses(answers)).toEqual(new Set([200]));
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(3_000);
  expect((await list()).ms).toBeLessThan(1_000);
  await create();
  await databases.signal("SIGCONT");
  expect(await nextLine()).toBe(USED);
}, 60_000);

test("no list fails while connections to the replica are cut and while it is killed, stopped and started", async () => {
  const answers = await listDuring(async () => {
    for (let times = 0; times < 20; times++)
      await databases.onReplica(
        "SELECT pg_terminate_backend(pid), pg_sleep(0.02) FROM pg_stat_activity WHERE application_name = 'user-service'",
      );
    await databases.signal("SIGKILL");
    await waitFor(() => databases.onReplica("SELECT 1").catch(() => false), 15_000);
    await databases.stopReplica();
    await waitFor(async () => !(await isUsed()));
    await databases.startReplica();
    await waitFor(isUsed, 15_000);
  });
  expect(answers.length).toBeGreaterThan(50);
  expect(statuses(answers)).toEqual(new Set([200]));
}, 60_000);

test("a promoted replica is no longer used", async () => {
  await databases.onReplica("SELECT pg_promote()");
  const id = await create();
  await waitFor(async () => !(await isUsed()));
  expect(await isListed(id)).toBe(true);
}, 60_000);
