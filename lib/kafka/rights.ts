import { gaugeOf } from "../runtime/metrics.ts";
import type { Warn } from "./client.ts";

/** The rights that Kafka denies this node, for the log, the metrics and `GET /health`. */

const denied = new Set<string>();

/** The rights that Kafka denied when they were last needed, such as `CREATE on topic user-events`; sorted. */
export const deniedRights = (): string[] => [...denied].sort();

gaugeOf(
  "user_service_kafka_denied_rights",
  "1 for each right that Kafka denies this node, such as CREATE on topic user-events",
  () => deniedRights().map((right) => ({ labels: { right }, value: 1 })),
  ["right"],
);

/**
 * Notes the outcome of work that needs a right.
 *
 * @param right as ACLs name it: the operation and its resource, such as `CREATE on topic user-events`
 * @param error what the work failed with, if it did; any error but a denial leaves open whether the right is there
 * @param warn logs one line when the right is denied, and not again until it was granted
 * @param remedy what the operator can do instead of granting the right
 */
export function noteRight(right: string, error: unknown, warn: Warn, remedy?: string): void {
  if (!error) denied.delete(right);
  if (!denialIn(error)) return;
  if (!denied.has(right)) warn(`Kafka denies ${right}: grant it${remedy ? `, or ${remedy}` : ""}`);
  denied.add(right);
}

/** Does work that needs a right, and notes whether Kafka denies it. @throws what `work` throws */
export async function withRight<Result>(
  right: string,
  warn: Warn,
  work: () => Promise<Result>,
  remedy?: string,
): Promise<Result> {
  try {
    const result = await work();
    noteRight(right, undefined, warn);
    return result;
  } catch (error) {
    noteRight(right, error, warn, remedy);
    throw error;
  }
}

type KafkaError = { type?: string; apiId?: string; cause?: unknown; errors?: unknown[] };

/** The denial in an error of one of the two clients, or in one that it wraps, such as `TOPIC_AUTHORIZATION_FAILED`. */
export function denialIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { type, apiId, cause, errors = [] } = error as KafkaError;
  const name = type ?? apiId ?? "";
  if (name.endsWith("_AUTHORIZATION_FAILED")) return name;
  return [cause, ...errors].map(denialIn).find((found) => found !== undefined);
}

/** The command that creates a topic, for an operator who has the right that this service lacks. */
export function createCommand(
  topic: string,
  partitions: number,
  configs: Record<string, string> = {},
): string {
  const settings = Object.entries(configs).map(([name, value]) => ` --config ${name}=${value}`);
  return `kafka-topics.sh --create --topic ${topic} --partitions ${partitions}${settings.join("")}`;
}
