import { setTimeout as sleep } from "node:timers/promises";
import type { Middleware, Service, ServiceBroker } from "moleculer";
import { config } from "../config/config.ts";
import { closeDatabase, locateDatabase, openDatabase, StartRefused } from "../postgres/open-database.ts";
import { closeHealth, notReady, nowReady } from "./health.ts";

/** The time limits of a stop, in ms from its signal: until then accepted requests are answered, and the whole (contract 6). */
const STOP = { answers: 6_500, whole: 9_500 };

/** In ms. npm passes on a signal that a terminal or a service manager has sent to this process as well. */
const PASSED_ON_WITHIN = 100;

/** How long other nodes need to handle a packet once Kafka has it, in ms. */
const HEARD_WITHIN = 500;

/** When a stopping gateway accepts no more connections, and waits no more for answers; times of performance.now(). */
export type Drain = { listenUntil: number; answerUntil: number };
type Gateway = Service & { drain(times: Drain): Promise<void> };

/** When the stop began; a broker that is stopped without a signal begins when it asks. */
let stoppingSince: number | undefined;

/**
 * How a node starts and stops. The database opens first and closes last. On a stop, the gateway answers the requests
 * that it accepted before anything they need is closed.
 */
export const Lifecycle: Middleware = {
  name: "Lifecycle",

  created() {
    if (config.needsDatabase) void locateDatabase(); // an embedded one starts while the services are loaded
  },

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
    const since = stoppingSince ?? performance.now();
    const gateway = broker.getLocalService("api") as Gateway | undefined;
    await gateway?.drain({
      listenUntil: since + config.http.stopNoticeMs,
      answerUntil: since + STOP.answers,
    });
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
  const stop = async () => {
    const now = performance.now();
    if (stoppingSince !== undefined && now - stoppingSince < PASSED_ON_WITHIN) return;
    if (stoppingSince !== undefined) process.exit(1);
    stoppingSince = now;
    notReady("stop");
    setTimeout(() => process.exit(1), STOP.whole).unref();
    await broker.stop();
    process.exit(0);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
}
