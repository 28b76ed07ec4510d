import { isIP } from "node:net";
import type { BaseOptions } from "@platformatic/kafka";
import type { KafkaConfig } from "../config/config.ts";
import { createTokenSource } from "../runtime/access-token.ts";

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
  oauthbearer: "OAUTHBEARER",
} as const;

export const connectionTo = ({ brokers, clientId, ssl, sasl }: KafkaConfig): Connection => ({
  clientId,
  bootstrapBrokers: brokers,
  ...PATIENCE,
  ...(ssl && { tls: ssl, tlsServerName: brokers.every(hasName) }),
  ...(sasl && { sasl: saslOf(sasl) }),
});

/** A proxy in front of Kafka may find the broker by the name that the client sends; an address cannot be sent. */
const hasName = (broker: string): boolean => !broker.startsWith("[") && !isIP(broker.split(":")[0] ?? "");

function saslOf(sasl: NonNullable<KafkaConfig["sasl"]>): Connection["sasl"] {
  const { username, password } = sasl;
  const mechanism = MECHANISMS[sasl.mechanism];
  return mechanism === "OAUTHBEARER"
    ? { mechanism, token: createTokenSource("KAFKA_SASL_TOKEN_URL", sasl) }
    : { mechanism, username, password };
}
