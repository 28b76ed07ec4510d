import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import { decode } from "cbor-x";
import { config, demandParts } from "../lib/config/config.ts";
import { clusterPrefix, removeTopics, topicsByNode } from "../lib/kafka/cluster-topics.ts";
import { type Connection, connectionTo } from "../lib/kafka/connection.ts";
import { PacketReader } from "../lib/kafka/packet-reader.ts";

/** `npm run cluster -- topics [--prune]` shows the nodes that have topics, and removes those of nodes that are gone. */

const USAGE = "Usage: topics [--prune]";

/** In ms: longer than between two heartbeats of a node with Moleculer's settings, which sends one every 10 s. */
const LISTEN = 15_000;

demandParts("kafka");
try {
  const [command, option, ...more] = process.argv.slice(2);
  if (command !== "topics" || (option && option !== "--prune") || more.length > 0) throw new Error(USAGE);
  if (!config.kafka) throw new Error("KAFKA_BROKERS is not set");
  await showTopics(connectionTo(config.kafka), { prune: option !== undefined });
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function showTopics(connection: Connection, { prune }: { prune: boolean }): Promise<void> {
  const prefix = clusterPrefix(config.namespace);
  const admin = new Admin(connection);
  try {
    const existing = await admin.listTopics().catch((error) => {
      throw new Error(`Kafka does not list its topics: ${error}`);
    });
    const nodes = topicsByNode(existing, prefix);
    if (nodes.size === 0) return console.log(`No node has topics with the prefix ${prefix}`);
    const alive = await listen(connection, `${prefix}.HEARTBEAT`);
    if (prune && alive.size === 0)
      throw new Error("No node is heard, so nothing is removed: is Kafka available?");
    for (const [node, topics] of nodes) {
      const isGone = !alive.has(node);
      if (isGone && prune) await removeTopics(admin, topics);
      const state = isGone ? (prune ? "gone, removed" : "gone") : "alive";
      console.log(`${node}: ${topics.length} topics, ${state}`);
    }
  } finally {
    await admin.close();
  }
}

/** The nodes that send heartbeats. @throws Error if nothing can be read */
async function listen(connection: Connection, topic: string): Promise<Set<string>> {
  console.error(`Listening to ${topic} for ${LISTEN / 1000} s`);
  const alive = new Set<string>();
  const reader = new PacketReader(connection, [topic], {
    ensure: async () => {},
    packet: (_topic, value) => void alive.add(senderOf(value)),
    failed: (error) => console.error(`The heartbeats cannot be read: ${error}`),
  });
  await reader.open();
  await sleep(LISTEN);
  await reader.close();
  return alive;
}

/** The name of the node that sent a packet, in CBOR or, by Moleculer's default, in JSON. */
function senderOf(packet: Buffer): string {
  const [, name] = /"sender":"([^"]+)"/.exec(packet.toString()) ?? [];
  return name ?? decode(packet).sender;
}
