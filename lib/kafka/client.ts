import type { Admin, Kafka, Producer, SASLOptions } from "kafkajs";
import type { KafkaConfig } from "../runtime/config.ts";

/** The kafkajs client, which handles the domain topics. No code outside this folder depends on it. */

/** Logs a warning of the client, as one line. */
export type Warn = (message: string) => void;

/** In ms. Short, because the callers retry by themselves and the relay holds a lock meanwhile. */
export const SHORT_RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 2 };

/** In ms. How long a stop waits for a client: Kafka may not answer. */
export const CLOSE_WITHIN = 500;

/** Loads the library on first use, because that takes 0.1 s. */
export async function loadClient(config: KafkaConfig, warn: Warn): Promise<Kafka> {
  const { Kafka, logLevel } = await import("kafkajs");
  silenceTimeoutWarning();
  return new Kafka({
    clientId: config.clientId,
    brokers: config.brokers,
    ssl: config.ssl,
    sasl: config.sasl as SASLOptions, // its types need the mechanism as a literal
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

/** kafkajs sometimes computes a negative delay, about which Node 24 warns once; it is harmless (measured). */
function silenceTimeoutWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    const [options] = rest as unknown[];
    if (options !== "TimeoutNegativeWarning") emit.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
}
