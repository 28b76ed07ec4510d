import { hostname } from "node:os";
import { ServiceBroker } from "moleculer";
import { config } from "../lib/runtime/config.ts";
import brokerOptions from "../moleculer.config.ts";

/**
 * `npm run repl`: a node of its own in the cluster that KAFKA_BROKERS names. Where there is none, it runs the services
 * that can be called itself, on the database that `npm start` has.
 */
const nodeID = `repl-${hostname()}`; // stable, as Kafka's topics are named by it
const broker = new ServiceBroker({ ...(await brokerOptions()), nodeID, created: undefined });
if (!config.kafka)
  for (const name of ["users", "stats", "avatars"])
    broker.createService((await import(`../services/${name}/${name}.service.ts`)).default);
await broker.start();
broker.repl();
