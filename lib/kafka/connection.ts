import type { BaseOptions } from "@platformatic/kafka";
import type { KafkaConfig } from "../runtime/config.ts";

/** How the clients of the transporter connect. */
export type Connection = BaseOptions & { clientId: string; bootstrapBrokers: string[] };

/** In ms. A request to Kafka must end before the timeout of a call (moleculer.config.ts). */
const PATIENCE = {
  connectTimeout: 1_000,
  requestTimeout: 4_000,
  timeout: 2_000,
  retries: 1,
  retryDelay: 100,
};

const MECHANISMS = {
  plain: "PLAIN",
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
} as const;

export const connectionTo = ({ brokers, clientId, ssl, sasl }: KafkaConfig): Connection => ({
  clientId,
  bootstrapBrokers: brokers,
  ...PATIENCE,
  ...(ssl && { tls: {} }),
  ...(sasl && { sasl: { ...sasl, mechanism: MECHANISMS[sasl.mechanism] } }),
});
