import type { Admin, Kafka, Producer } from "kafkajs";
import type { KafkaConfig } from "../runtime/config.ts";

/** kafkajs, which carries the domain topics. Nothing outside this folder knows which client that is. */

/** Reports a warning of the client as one line. */
export type Warn = (message: string) => void;

/**
 * How long a request is retried, in ms. The callers retry by themselves, and the relay holds a lock meanwhile: so not
 * for long.
 */
export const SHORT_RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 2 };

/** Loads the client only if Kafka is used: that takes a tenth of a second. */
export async function loadClient(config: KafkaConfig, warn: Warn): Promise<Kafka> {
  const { Kafka, logLevel } = await import("kafkajs");
  silenceTimeoutWarning();
  return new Kafka({
    clientId: config.clientId,
    brokers: config.brokers,
    ssl: config.ssl,
    sasl: config.sasl as never, // kafkajs tells mechanisms apart by type, we by value
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    enforceRequestTimeout: true,
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) =>
        warn(log.message),
  });
}

export async function connected<Client extends Producer | Admin>(client: Client): Promise<Client> {
  await client.connect();
  return client;
}

/** kafkajs computes a delay below zero at times, which Node 24 warns of once; it is harmless (measured). */
function silenceTimeoutWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    const [options] = rest as unknown[];
    if (options !== "TimeoutNegativeWarning") emit.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
}
