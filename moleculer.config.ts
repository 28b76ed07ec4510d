import type { BrokerOptions } from "moleculer";
import { Validators } from "moleculer";
import { Lifecycle } from "./services/node/lifecycle.ts";
import { createLogger, LEVELS } from "./services/node/logger.ts";
import { Observe } from "./services/node/observe.ts";
import { PrometheusService } from "./services/node/prometheus.ts";
import { config } from "./services/shared/config.ts";
import { ValidationFailed } from "./services/shared/errors.ts";
import { newTraceId } from "./services/shared/events.ts";
import { type RuleError, toDetails, VALIDATOR_OPTIONS } from "./services/shared/validator.ts";

/** The broker of every node, whichever services it runs. */
const options: BrokerOptions = {
  nodeID: config.nodeID,
  namespace: config.namespace,
  logger: { type: "Pino", options: { level: LEVELS, createLogger } } as BrokerOptions["logger"],
  validator: new Validators.Fastest(VALIDATOR_OPTIONS),
  uidGenerator: newTraceId,
  middlewares: [Lifecycle, Observe],
  errorHandler: toOwnError,

  requestTimeout: 5_000, // ms: a call whose node died must not hang
  dependencyInterval: 100,
  maxCallLevel: 20,
  tracking: { enabled: true, shutdownTimeout: 6_000 },
  skipProcessEventRegistration: true, // services/node/lifecycle.ts
  internalServices: { $node: { actions: { options: false } } } as unknown as boolean, // it hands out secrets

  created(broker) {
    broker.createService(PrometheusService);
  },
};

type BrokerError = Error & { type?: string; code?: number; data?: unknown };

/** Moleculer's own validation error is a 422 that carries the offending values: ours is SPEC 3's 400. */
function toOwnError(error: BrokerError): never {
  if (error.type === "VALIDATION_ERROR" && error.code === 422)
    throw new ValidationFailed(toDetails(error.data as RuleError[]));
  throw error;
}

export default options;
