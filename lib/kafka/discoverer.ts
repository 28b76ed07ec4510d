import { Discoverers } from "moleculer";
import { within } from "../runtime/tasks.ts";

/** In seconds. Our nodes send a heartbeat every second, so that a dead node is noticed within 5. */
export const HEARTBEAT = { interval: 1, timeout: 2 };

/** In seconds. Moleculer's default: a node with stock settings sends a heartbeat every 10 seconds only. */
const STOCK_TIMEOUT = 30;

/** In ms. A start and a stop do not wait longer until Kafka has what this node says of itself. */
const TELL_WITHIN = 1_000;

/** A node's published metadata: the seconds of silence after which it counts as dead. */
export type NodeMetadata = { heartbeatTimeout?: number };

/**
 * Moleculer's discoverer, with a timeout per node. The stock one applies the local node's timeout to all other nodes: a
 * foreign node with slower heartbeats would be dropped between two of them, and would lose events and uploads.
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
    for (const node of this.registry.nodes.toArray()) {
      if (node.local || !node.available) continue;
      node.lastHeartbeatTime ||= now;
      const { heartbeatTimeout = STOCK_TIMEOUT }: NodeMetadata = node.metadata ?? {};
      if (now - node.lastHeartbeatTime <= heartbeatTimeout) continue;
      this.logger.warn(`Node ${node.id} has sent no heartbeat for ${heartbeatTimeout} s`);
      this.registry.nodes.disconnected(node.id, true);
    }
  }
}
