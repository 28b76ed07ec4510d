import { hostname } from "node:os";
import { ServiceBroker } from "moleculer";
import { config, demandParts } from "../lib/config/config.ts";
import brokerOptions from "../moleculer.config.ts";
import { OPERATOR } from "./rights.ts";

/** The services that commands and the REPL call. */
const CALLED = ["users", "stats", "avatars", "identities"];

/** In ms: the first node of a cluster is found within a few seconds. */
const FOUND_WITHIN = 15_000;

/**
 * A node of its own in the cluster of KAFKA_BROKERS. Without Kafka it runs the callable services itself, on the database
 * that `npm start` uses.
 * @param name of the node, before the name of the host: stable, because Kafka's topics contain it
 */
export async function createNode(name: string): Promise<ServiceBroker> {
  demandParts("kafka");
  const nodeID = `${name}-${hostname()}`;
  const broker = new ServiceBroker({ ...(await brokerOptions()), nodeID, created: undefined });
  if (!config.kafka)
    for (const service of CALLED) {
      const { default: schema } = await import(`../services/${service}/${service}.service.ts`);
      // a command compares users with Keycloak only if it is asked to
      broker.createService(service === "identities" ? { ...schema, started: undefined } : schema);
    }
  return broker;
}

/** Runs an operator command on a node of its own. Its error is one line, and the exit code 1. */
export async function asOperator(
  name: string,
  work: (broker: ServiceBroker, meta: typeof OPERATOR) => Promise<void>,
): Promise<void> {
  const broker = await createNode(name);
  try {
    await broker.start();
    await broker.waitForServices(CALLED, FOUND_WITHIN);
    await work(broker, OPERATOR);
  } catch (error) {
    console.error(asLine(error as Error & { data?: unknown }));
    process.exitCode = 1;
  } finally {
    await broker.stop();
  }
}

/** The message of an error, with what is wrong with each param. */
const asLine = ({ message, data }: { message: string; data?: unknown }): string =>
  Array.isArray(data) ? data.map(({ field, message }) => `${field} ${message}`).join("; ") : message;
