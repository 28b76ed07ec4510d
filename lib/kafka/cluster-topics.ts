import {
  type Admin,
  ConfigResourceTypes,
  findErrorBy,
  IncrementalAlterConfigOperationTypes,
} from "@platformatic/kafka";
import type { Warn } from "./client.ts";
import { createCommand, noteRight } from "./rights.ts";

/**
 * The topics through which nodes exchange packets. Moleculer names them: `MOL-namespace.COMMAND` is read by every node,
 * `MOL-namespace.COMMAND.node` by one.
 */

/** A packet is useless after some seconds. Kafka deletes whole segments only, so they are as short. */
const CONFIG = { "retention.ms": "60000", "segment.ms": "60000" };
const configs = Object.entries(CONFIG).map(([name, value]) => ({ name, value }));

/** What Moleculer's names begin with. */
export const clusterPrefix = (namespace: string): string => (namespace ? `MOL-${namespace}` : "MOL");

/** The commands that have a topic for each node. */
const NODE_COMMANDS = ["EVENT", "REQ", "RES", "DISCOVER", "INFO", "PING", "PONG"];

/**
 * Creates the missing ones of these topics, with one partition, because all packets go to the first.
 * @throws the client's error if Kafka is unavailable or a topic cannot be created
 */
export async function ensureTopics(admin: Admin, topics: string[], warn: Warn): Promise<void> {
  const existing = await admin.listTopics();
  const missing = topics.filter((topic) => !existing.includes(topic));
  const error = await createTopics(admin, missing).catch((error) => error);
  for (const topic of topics) {
    const remedy = `run ${createCommand(topic, 1, CONFIG)}`;
    noteRight(`CREATE on topic ${topic}`, missing.includes(topic) ? error : undefined, warn, remedy);
  }
  if (error) throw error;
}

async function createTopics(admin: Admin, topics: string[]): Promise<void> {
  if (topics.length === 0) return;
  await admin.createTopics({ topics, partitions: 1, configs }).catch((error) => {
    if (!findErrorBy(error, "apiId", "TOPIC_ALREADY_EXISTS")) throw error; // another node was faster
  });
}

/** Gives topics that somebody else created the same retention, if this node has the right to. */
export async function shortenRetention(admin: Admin, topics: string[]): Promise<void> {
  const configOperation = IncrementalAlterConfigOperationTypes.SET;
  const resources = topics.map((resourceName) => ({
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName,
    configs: configs.map((config) => ({ ...config, configOperation })),
  }));
  await admin.incrementalAlterConfigs({ resources }).catch(() => {});
}

/** Deletes topics, those that are gone already included. */
export async function removeTopics(admin: Admin, topics: string[]): Promise<void> {
  if (topics.length === 0) return;
  await admin.deleteTopics({ topics }).catch((error) => {
    if (!findErrorBy(error, "apiId", "UNKNOWN_TOPIC_OR_PARTITION")) throw error;
  });
}

/**
 * The topics of single nodes, by node.
 *
 * @param topics all topics of the Kafka cluster
 * @param prefix see clusterPrefix
 */
export function topicsByNode(topics: string[], prefix: string): Map<string, string[]> {
  const nodes = new Map<string, string[]>();
  for (const topic of topics) {
    const [start, command = "", ...name] = topic.split(".");
    if (start !== prefix || !NODE_COMMANDS.includes(command) || name.length === 0) continue;
    const node = name.join("."); // a node's name may have dots
    nodes.set(node, [...(nodes.get(node) ?? []), topic]);
  }
  return nodes;
}
