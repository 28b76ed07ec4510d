import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { ConfigResourceTypes, Kafka, logLevel } from "kafkajs";
import { brokers } from "../helpers/neighbour.ts";
import { type ServiceProcess, spawnService } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The topics between nodes on a real Kafka: their settings, and the cleanup after nodes that are gone. */

const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
const nodes: ServiceProcess[] = [];

beforeAll(() => kafka.connect());
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.remove()));
});
afterAll(() => kafka.disconnect());

const newNamespace = () => `e2e-${crypto.randomUUID().slice(0, 8)}`;

/** Starts a gateway, without a NODEID unless it is given one. It is in the cluster when it misses only other nodes. */
async function start(NAMESPACE: string, env: Record<string, string> = {}): Promise<ServiceProcess> {
  const node = await spawnService({ NAMESPACE, KAFKA_BROKERS: brokers.join(), SERVICES: "api", ...env });
  nodes.push(node);
  const readiness = async () => (await fetch(`${node.nodeUrl}/health/ready`)).text();
  await waitFor(async () => (await readiness().catch(() => "")).includes("rest of the cluster"), 60_000);
  return node;
}

/** Ends a node by a signal: in order (SIGTERM), or at once (SIGKILL). */
async function end(node: ServiceProcess, signal: "SIGTERM" | "SIGKILL") {
  node.child.kill(signal);
  return node.ended;
}

const topicsOf = async (namespace: string): Promise<string[]> =>
  (await kafka.listTopics()).filter((topic) => topic.startsWith(`MOL-${namespace}.`)).sort();

const SHARED = ["DISCONNECT", "DISCOVER", "HEARTBEAT", "INFO", "PING"];

async function settingsOf(topic: string): Promise<Record<string, string>> {
  const { resources } = await kafka.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  });
  return Object.fromEntries(
    resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]) ?? [],
  );
}

test("topics between nodes get one partition and a retention of a minute; an existing topic gets the retention too", async () => {
  const namespace = newNamespace();
  const older = `MOL-${namespace}.INFO`;
  await kafka.createTopics({ topics: [{ topic: older, numPartitions: 3 }] });
  await start(namespace, { NODEID: "a" });
  const { topics } = await kafka.fetchTopicMetadata({ topics: await topicsOf(namespace) });
  expect(topics).toHaveLength(SHARED.length + 7);
  for (const { name, partitions } of topics) {
    expect([name, partitions.length]).toEqual([name, name === older ? 3 : 1]);
    expect(await settingsOf(name)).toMatchObject({ "retention.ms": "60000", "segment.ms": "60000" });
  }
});

test("after nodes without a NODEID stop, their topics and groups are gone", async () => {
  const namespace = newNamespace();
  const groups = async () => (await kafka.listGroups()).groups.map(({ groupId }) => groupId).sort();
  const before = await groups();
  const started = await Promise.all([1, 2, 3].map(() => start(namespace)));
  expect(await topicsOf(namespace)).toHaveLength(SHARED.length + 3 * 7);
  expect(await Promise.all(started.map((node) => end(node, "SIGTERM")))).toEqual([0, 0, 0]);
  expect(await topicsOf(namespace)).toEqual(SHARED.map((command) => `MOL-${namespace}.${command}`));
  expect(await groups()).toEqual(before);
});

test("npm run cluster -- topics --prune removes only the topics of nodes that are gone", async () => {
  const namespace = newNamespace();
  const killed = await start(namespace, { NODEID: "killed" });
  await start(namespace, { NODEID: "alive" });
  await end(killed, "SIGKILL");
  const operate = async (...words: string[]) => {
    const env = { ...process.env, NODE_OPTIONS: "", NAMESPACE: namespace };
    const { stdout } = await promisify(execFile)("npm", ["run", "--silent", "cluster", "--", ...words], {
      env,
    });
    return stdout.trim().split("\n").sort();
  };
  expect(await operate("topics")).toEqual(["alive: 7 topics, alive", "killed: 7 topics, gone"]);
  expect(await operate("topics", "--prune")).toEqual([
    "alive: 7 topics, alive",
    "killed: 7 topics, gone, removed",
  ]);
  const left = await topicsOf(namespace);
  expect(left).toHaveLength(SHARED.length + 7);
  expect(left.filter((topic) => topic.endsWith(".killed"))).toEqual([]);
}, 90_000);

test("a node recreates its topics if they are deleted", async () => {
  const namespace = newNamespace();
  await start(namespace, { NODEID: "a" });
  const own = (await topicsOf(namespace)).filter((topic) => topic.endsWith(".a"));
  await kafka.deleteTopics({ topics: own });
  await waitFor(async () => (await topicsOf(namespace)).length === SHARED.length + 7, 20_000);
}, 60_000);
