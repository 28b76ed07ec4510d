import { setTimeout as sleep } from "node:timers/promises";
import type { Middleware, ServiceBroker } from "moleculer";
import { closeDatabase, openDatabase, StartRefused } from "../postgres/open-database.ts";
import { config } from "./config.ts";
import { closeHealth, notReady, nowReady } from "./health.ts";

/** The whole stop, in ms (SPEC 6). */
const STOP_WITHIN = 9_500;

/** After Kafka has a packet, until the other nodes have acted on it; in ms. */
const HEARD_WITHIN = 500;

type Gateway = { drain(): Promise<void> };

/**
 * How a node starts and stops: the database first and last; in between, on the way out, the gateway answers what it
 * accepted before anything that it needs goes away.
 */
export const Lifecycle: Middleware = {
  name: "Lifecycle",

  async starting(broker) {
    onSignal(broker);
    if (!config.needsDatabase) return nowReady("database") as never;
    const logger = broker.getLogger("database");
    await openDatabase({
      ready: () => nowReady("database"),
      waiting: (err) => logger.warn({ err, action: "database_error" }, "The database is away"),
      fatal: endStart,
    }).catch(endStart);
  },

  async started(broker) {
    if (config.kafka) await introduce(broker);
    nowReady("start");
  },

  async stopping(broker) {
    await (broker.getLocalService("api") as unknown as Gateway | undefined)?.drain();
  },

  async stopped() {
    await closeHealth();
    if (config.needsDatabase) await closeDatabase();
  },
};

/**
 * Tells the cluster what this node offers, and gives it time to hear. Moleculer would tell half a second later: who
 * takes this node for ready and stops the one before leaves nobody to call.
 */
async function introduce(broker: ServiceBroker): Promise<void> {
  const { discoverer } = broker.registry as unknown as { discoverer: { sendLocalNodeInfo(): Promise<void> } };
  await discoverer.sendLocalNodeInfo();
  await sleep(HEARD_WITHIN);
}

/** One line for what the operator can mend, all of the error for what they can't. */
function endStart(error: Error): never {
  console.error(error instanceof StartRefused ? error.message : error);
  process.exit(1);
}

/** The first signal stops the node in order, a second one at once. */
function onSignal(broker: ServiceBroker): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) process.exit(1);
    stopping = true;
    notReady("stop");
    setTimeout(() => process.exit(1), STOP_WITHIN).unref();
    await broker.stop();
    process.exit(0);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
}
