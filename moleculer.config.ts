import type { BrokerOptions } from "moleculer";
import { REPL_OPTIONS } from "./cli/repl.commands.ts";
import { config, demandParts, type KafkaConfig, type Tracing } from "./lib/config/config.ts";
import { ValidationFailed } from "./lib/contract/errors.ts";
import { newTraceId } from "./lib/contract/events.ts";
import { type RuleError, toDetails, validator } from "./lib/contract/validator.ts";
import { Discoverer, HEARTBEAT, type NodeMetadata } from "./lib/kafka/discoverer.ts";
import { Lifecycle } from "./lib/runtime/lifecycle.ts";
import { createLogger, LEVELS } from "./lib/runtime/logger.ts";
import { Observe } from "./lib/runtime/observe.ts";
import { callSpans } from "./lib/tracing/spans.ts";
import { DatabaseService } from "./services/database/database.service.ts";
import { PrometheusService } from "./services/metrics/metrics.service.ts";

/** The broker options of every node, whichever services it runs. */
const brokerOptions = async (): Promise<BrokerOptions> => ({
  nodeID: config.nodeID,
  namespace: config.namespace,
  logger: { type: "Pino", options: { level: LEVELS, createLogger } } as BrokerOptions["logger"],
  validator,
  uidGenerator: newTraceId,
  middlewares: [Lifecycle],
  errorHandler: toOwnError,

  // without Kafka the node is alone, on Moleculer's in-process bus
  transporter: config.kafka && (await connectTo(config.kafka)),
  serializer: config.kafka && "CBOR", // JSON takes 3.6 bytes for each byte of a file
  heartbeatInterval: HEARTBEAT.interval,
  heartbeatTimeout: HEARTBEAT.check, // how often nodes are checked; the discoverer knows the timeout of each
  metadata: { heartbeatTimeout: HEARTBEAT.timeout } satisfies NodeMetadata,

  tracing: config.tracing ? await traceTo(config.tracing) : undefined,

  requestTimeout: 5_000, // ms: a call to a node that died must not hang
  retryPolicy: { enabled: true, retries: 3, delay: 100, maxDelay: 1_000, factor: 2, check: wasRefused },
  registry: {
    discoverer: new Discoverer(),
    stopDelay: config.kafka ? 500 : 0, // ms: until the others know that this node stops
  },
  dependencyInterval: 100,
  maxCallLevel: 20,
  tracking: { enabled: true, shutdownTimeout: 6_000 },
  skipProcessEventRegistration: true, // lib/runtime/lifecycle.ts
  internalServices: { $node: { actions: { options: false } } }, // it shows the transporter's password

  replOptions: REPL_OPTIONS,

  created(broker) {
    demandParts(...config.parts);
    // these also wrap the hooks of actions, which check access
    if (config.tracing) broker.middlewares.add(callSpans(config.tracing.sample));
    broker.middlewares.add(Observe);
    broker.createService(PrometheusService);
    if (config.needsDatabase) broker.createService(DatabaseService);
  },
});

/** Loads the transporter only if it is used: its client takes a second to load. */
async function connectTo(kafka: KafkaConfig): Promise<BrokerOptions["transporter"]> {
  const { KafkaTransporter } = await import("./lib/kafka/transporter.ts");
  return new KafkaTransporter(kafka);
}

/** Moleculer's own tracer, with an exporter that sends to a collector. */
async function traceTo(tracing: Tracing): Promise<BrokerOptions["tracing"]> {
  const { CollectorExporter } = await import("./lib/tracing/collector.ts");
  return {
    enabled: true,
    exporter: new CollectorExporter(tracing) as never, // an instance works, but its types do not allow it
    actions: false, // lib/tracing/spans.ts
  };
}

type BrokerError = Error & { type?: string; code?: number; data?: unknown };

/** A stopping node refuses calls before it begins them, so they are safe to repeat elsewhere. Nothing else is. */
const wasRefused = ({ type, data }: BrokerError): boolean =>
  type === "SERVICE_NOT_AVAILABLE" && Boolean((data as { nodeID?: string } | undefined)?.nodeID);

/** Moleculer's own validation error is a 422 that contains the offending values. The contract (3) wants a 400. */
function toOwnError(error: BrokerError): never {
  if (error.type === "VALIDATION_ERROR" && error.code === 422)
    throw new ValidationFailed(toDetails(error.data as RuleError[]));
  throw error;
}

export default brokerOptions;
