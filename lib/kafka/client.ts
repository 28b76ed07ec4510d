import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Admin, ISocketFactory, Kafka, Producer, SASLOptions } from "kafkajs";
import type { KafkaConfig } from "../config/config.ts";
import { createTokenSource } from "../runtime/access-token.ts";

/** The kafkajs client, which handles the domain topics. No code outside this folder depends on it. */

/** Logs a warning of the client, as one line. */
export type Warn = (message: string) => void;

/** In ms. Short, because the callers retry by themselves and the relay holds a lock meanwhile. */
export const SHORT_RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 2 };

/** In ms. How long a stop waits for a client: Kafka may not answer. */
export const CLOSE_WITHIN = 500;
/** In ms: the idle time after which the system checks a connection. */
const KEEP_ALIVE = 60_000;

/** Loads the library on first use, because that takes 0.1 s. */
export async function loadClient(config: KafkaConfig, warn: Warn): Promise<Kafka> {
  const { Kafka, logLevel } = await import("kafkajs");
  silenceTimeoutWarning();
  return new Kafka({
    clientId: config.clientId,
    brokers: config.brokers.map(withoutColons),
    socketFactory: connectSocket,
    ssl: config.ssl,
    sasl: config.sasl && saslOf(config.sasl),
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    enforceRequestTimeout: true,
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) =>
        warn(log.error ? `${log.message}: ${log.error}` : log.message),
  });
}

function saslOf(sasl: NonNullable<KafkaConfig["sasl"]>): SASLOptions {
  const { mechanism, username, password } = sasl;
  if (mechanism !== "oauthbearer") return { mechanism, username, password } as SASLOptions; // they need a literal
  const token = createTokenSource("KAFKA_SASL_TOKEN_URL", sasl);
  return { mechanism, oauthBearerProvider: async () => ({ value: await token() }) };
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

/** kafkajs splits an address at its first colon, so an IPv6 address gets another form. */
const withoutColons = (broker: string): string =>
  broker.replace(/^\[(.+)\]/, (_brackets, address: string) => encodeURIComponent(address));

/** Connects as kafkajs itself does, and also to an address in that form. */
const connectSocket: ISocketFactory = ({ host: given, port, ssl, onConnect }) => {
  const host = decodeURIComponent(given);
  const name = isIP(host) ? {} : { servername: host };
  const socket = ssl
    ? connectTls({ host, port, ...name, ...ssl }, onConnect)
    : connect({ host, port }, onConnect);
  return socket.setKeepAlive(true, KEEP_ALIVE);
};
