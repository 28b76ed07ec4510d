import { Discoverers } from "moleculer";
import { silenceOf } from "../runtime/listening.ts";
import { within } from "../runtime/tasks.ts";

/**
 * In seconds. Our nodes send a heartbeat every second, and each checks the others every second, so that a dead node is
 * noticed within 5. A heartbeat may be delayed by a second or two while Kafka changes the leader of a topic.
 */
export const HEARTBEAT = { interval: 1, timeout: 3, check: 1 };

/** In seconds. Moleculer's default: a node with stock settings sends a heartbeat every 10 seconds only. */
const STOCK_TIMEOUT = 30;

/** In ms. A start and a stop do not wait longer until Kafka has what this node says of itself. */
const TELL_WITHIN = 1_000;

/** In ms. A node hears its own heartbeat at least this often, unless Kafka does not deliver them. */
const OWN_HEARTBEAT = 2_000;

/** A node's published metadata: the seconds of silence after which it counts as dead. */
export type NodeMetadata = { heartbeatTimeout?: number };

/**
 * Moleculer's discoverer with two changes. Each node has a timeout of its own: the stock discoverer applies the local
 * node's to all others, so a foreign node with slower heartbeats would be dropped between two of them, and would lose
 * events and uploads. And while a node does not hear itself, Kafka delivers no heartbeats, so nobody is dropped.
 */
export class Discoverer extends Discoverers.Local {
  override async sendLocalNodeInfo(nodeID?: string): Promise<void> {
    await within(TELL_WITHIN, super.sendLocalNodeInfo(nodeID));
  }

  override async localNodeDisconnected(): Promise<void> {
    await within(TELL_WITHIN, super.localNodeDisconnected());
  }

  override checkRemoteNodes(): void {
    const now = Math.round(process.uptime()); // the clock of lastHeartbeatTime, in seconds
    const isDeaf = silenceOf("cluster") > OWN_HEARTBEAT;
    for (const node of this.registry.nodes.toArray()) {
      if (node.local || !node.available) continue;
      if (isDeaf || !node.lastHeartbeatTime) node.lastHeartbeatTime = now;
      const { heartbeatTimeout = STOCK_TIMEOUT }: NodeMetadata = node.metadata ?? {};
      if (now - node.lastHeartbeatTime <= heartbeatTimeout) continue;
      this.logger.warn(`Node ${node.id} has sent no heartbeat for ${heartbeatTimeout} s`);
      this.registry.nodes.disconnected(node.id, true);
    }
  }
}
