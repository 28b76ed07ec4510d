import { Discoverers } from "moleculer";

/** In seconds. Our nodes send a heartbeat each second, so that one that dies is noticed within 5. */
export const HEARTBEAT = { interval: 1, timeout: 2 };

/** Moleculer's default: a node with stock settings sends a heartbeat only every 10 seconds. In seconds. */
const STOCK_TIMEOUT = 30;

/** What a node of ours says in its metadata: the others may call it dead after so many seconds of silence. */
export type NodeMetadata = { heartbeatTimeout?: number };

/**
 * Moleculer's discoverer, with a timeout per node. The stock one applies the timeout of the local node to every other
 * node: a foreign node with a slower heartbeat would be dropped between two of them, and lose events and uploads.
 */
export class Discoverer extends Discoverers.Local {
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
