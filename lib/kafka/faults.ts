/**
 * What a Kafka error means for the records that were being sent. Only this file decides it.
 *
 * - `record`: Kafka refuses this record for good; others may succeed.
 * - `topic`: Kafka refuses every record of the topic until somebody changes the topic or its permissions.
 * - `later`: nothing is wrong with the records, and the same request may succeed later.
 */
export type Fault = { scope: "record" | "topic" | "later"; name: string };

const TOPIC = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "INVALID_TOPIC_EXCEPTION",
  "TOPIC_AUTHORIZATION_FAILED",
  "INVALID_REQUIRED_ACKS",
]);

/** kafkajs does not call these retriable, but they concern the connection or the whole cluster, not a record. */
const CLUSTER =
  /^(BROKER_NOT_AVAILABLE|CLUSTER_AUTHORIZATION_FAILED|UNSUPPORTED_|ILLEGAL_SASL|SASL_|SECURITY_DISABLED)/;

/** Exceptions in our process that one record causes, such as a value that cannot be encoded. */
const PROGRAM = /^(RangeError|ReferenceError|SyntaxError|TypeError)$/;

type KafkaError = { name?: string; type?: string; retriable?: boolean; cause?: unknown };

/** Classifies an error of kafkajs, which may wrap Kafka's own error several times. */
export function faultOf(error: unknown): Fault {
  for (let at = error as KafkaError | undefined; at; at = at.cause as KafkaError | undefined) {
    const { name = "Error", type, retriable } = at;
    if (PROGRAM.test(name)) return { scope: "record", name };
    if (!type) continue;
    if (TOPIC.has(type)) return { scope: "topic", name: type };
    return { scope: retriable || CLUSTER.test(type) ? "later" : "record", name: type };
  }
  return { scope: "later", name: (error as KafkaError)?.name ?? "Error" };
}
