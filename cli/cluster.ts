import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import { decode } from "cbor-x";
import { clusterPrefix, removeTopics, topicsByNode } from "../lib/kafka/cluster-topics.ts";
import { connectionTo } from "../lib/kafka/connection.ts";
import { PacketReader } from "../lib/kafka/packet-reader.ts";
import { config, demandParts } from "../lib/runtime/config.ts";

/** `npm run cluster -- topics [--prune]` shows the nodes that have topics, and removes those of nodes that are gone. */

const USAGE = "topics [--prune]";

/** In ms: longer than between two heartbeats of a node with Moleculer's settings, which sends one every 10 s. */
const LISTEN = 15_000;

demandParts("kafka");
const connection = connectionTo(config.kafka ?? fail("KAFKA_BROKERS is not set"));
const prefix = clusterPrefix(config.namespace);
const admin = new Admin(connection);
try {
  const [command, option, ...more] = process.argv.slice(2);
  if (command !== "topics" || (option && option !== "--prune") || more.length > 0) fail(`Usage: ${USAGE}`);
  const alive = await listen();
  if (option && alive.size === 0)
    fail("No node is heard, so it is unknown which are gone: nothing is removed");
  for (const [node, topics] of topicsByNode(await admin.listTopics(), prefix)) {
    const isGone = !alive.has(node);
    if (isGone && option) await removeTopics(admin, topics);
    const state = isGone ? (option ? "gone, removed" : "gone") : "alive";
    console.log(`${node}: ${topics.length} topics, ${state}`);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await admin.close();
}

/** The nodes that send heartbeats. @throws Error if nothing can be read */
async function listen(): Promise<Set<string>> {
  console.error(`Listening for heartbeats with the prefix ${prefix} for ${LISTEN / 1000} s`);
  const alive = new Set<string>();
  const reader = new PacketReader(connection, [`${prefix}.HEARTBEAT`], {
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

function fail(message: string): never {
  throw new Error(message);
}
