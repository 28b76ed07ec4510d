import { setTimeout as sleep } from "node:timers/promises";
import type { Middleware, Service, ServiceBroker } from "moleculer";
import { closeDatabase, openDatabase, StartRefused } from "../postgres/open-database.ts";
import { config } from "./config.ts";
import { closeHealth, notReady, nowReady } from "./health.ts";

/** The time limit for the whole stop, in ms (contract 6). */
const STOP_WITHIN = 9_500;

/** In ms. npm passes on a signal that a terminal or a service manager has sent to this process as well. */
const PASSED_ON_WITHIN = 100;

/** How long other nodes need to handle a packet once Kafka has it, in ms. */
const HEARD_WITHIN = 500;

type Gateway = Service & { drain(): Promise<void> };

/**
 * How a node starts and stops. The database opens first and closes last. On a stop, the gateway answers the requests
 * that it accepted before anything they need is closed.
 */
export const Lifecycle: Middleware = {
  name: "Lifecycle",

  async starting(broker) {
    onSignal(broker);
    if (!config.needsDatabase) return nowReady("database");
    const logger = broker.getLogger("database");
    await openDatabase({
      ready: () => nowReady("database"),
      waiting: (err) => logger.warn({ err, action: "database_error" }, "The database is unavailable"),
      fatal: endStart,
    }).catch(endStart);
  },

  async started(broker) {
    if (config.kafka) await introduce(broker);
    nowReady("start");
  },

  async stopping(broker) {
    await (broker.getLocalService("api") as Gateway | undefined)?.drain();
  },

  async stopped() {
    await Promise.all([closeHealth(), config.needsDatabase && closeDatabase()]);
  },
};

/**
 * Publishes this node's services to the cluster at once and waits until the others have handled it. Moleculer publishes
 * them half a second later: a deployment that stops the previous node as soon as this one is ready would leave a gap.
 */
async function introduce(broker: ServiceBroker): Promise<void> {
  const { discoverer } = broker.registry as { discoverer: { sendLocalNodeInfo(): Promise<void> } };
  await discoverer.sendLocalNodeInfo();
  await sleep(HEARD_WITHIN);
}

/** Prints one line for an error that the operator can fix, and the whole error otherwise. */
function endStart(error: Error): never {
  console.error(error instanceof StartRefused ? error.message : error);
  process.exit(1);
}

/** The first signal stops the node in order, a second one at once. */
function onSignal(broker: ServiceBroker): void {
  let since: number | undefined;
  const stop = async () => {
    if (since !== undefined && performance.now() - since < PASSED_ON_WITHIN) return;
    if (since !== undefined) process.exit(1);
    since = performance.now();
    notReady("stop");
    setTimeout(() => process.exit(1), STOP_WITHIN).unref();
    await broker.stop();
    process.exit(0);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
}
