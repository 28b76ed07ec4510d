import { hostname } from "node:os";
import { ServiceBroker } from "moleculer";
import { config, demandParts } from "../lib/runtime/config.ts";
import brokerOptions from "../moleculer.config.ts";

/**
 * `npm run repl`: a separate node in the cluster of KAFKA_BROKERS. Without Kafka it runs the callable services itself,
 * on the database that `npm start` uses.
 */
demandParts("kafka");
const nodeID = `repl-${hostname()}`; // stable, because Kafka's topics contain it
const broker = new ServiceBroker({ ...(await brokerOptions()), nodeID, created: undefined });
if (!config.kafka)
  for (const name of ["users", "stats", "avatars"])
    broker.createService((await import(`../services/${name}/${name}.service.ts`)).default);
await broker.start();
broker.repl();
