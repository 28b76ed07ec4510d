import type { Context } from "moleculer";
import { openConnections, ping } from "../../models/database.ts";
import { call } from "../contract/call.ts";
import { DependencyUnavailable } from "../contract/errors.ts";
import { openAdmin } from "../kafka/admin.ts";
import { objectStore } from "../object-store/object-store.ts";
import { config } from "./config.ts";
import { isDeaf } from "./listening.ts";
import { gaugeOf } from "./metrics.ts";

/** What a node reports about itself (contract 6). */
export type Health = {
  status: "ok" | "error";
  timestamp: string;
  database: { status: "connected" | "disconnected"; connections: number };
  kafka: { status: "connected" | "disconnected" | "embedded"; broker: string | null };
};

/** Why the node must not get requests; empty if it is ready. */
type Missing = "start" | "database" | "services" | "stop";
const missing = new Set<Missing>(["start", "database"]);

/** Marks the node as not ready: it starts, waits for its database or for services that it calls, or stops. */
export function notReady(reason: Missing): void {
  missing.add(reason);
}
export function nowReady(reason: Missing): void {
  missing.delete(reason);
}

/** The database as this node sees it; a read-only one counts as disconnected. */
export async function databaseHealth(): Promise<Health["database"]> {
  const status = await ping().then(
    () => "connected" as const,
    () => "disconnected" as const,
  );
  return { status, connections: openConnections() };
}

const kafka = config.kafka && openAdmin(config.kafka, () => {});

async function kafkaHealth(): Promise<Health["kafka"]> {
  if (!kafka) return { status: "embedded", broker: null };
  const status = (await kafka.check()) ? "connected" : "disconnected";
  return { status, broker: config.kafka?.brokers.join(",") ?? null };
}

/** In ms. How long a node waits for what another one sees. */
const ANSWER_WITHIN = 1_000;

/** What the node sees; a node without a database asks the nodes that have one (contract 8). */
export async function healthReport(ctx: Pick<Context, "call">): Promise<Health> {
  const [database, kafka] = await Promise.all([
    config.needsDatabase
      ? databaseHealth()
      : call(ctx, "database.health", {}, { timeout: ANSWER_WITHIN }).catch(() => ({
          status: "disconnected" as const,
          connections: 0,
        })),
    kafkaHealth(),
  ]);
  const status = database.status === "connected" ? "ok" : "error";
  return { status, timestamp: new Date().toISOString(), database, kafka };
}

/** Call it when the node stops. */
export const closeHealth = async (): Promise<void> => kafka?.close();

/** @throws DependencyUnavailable with the reason if the node must not get requests now */
export async function demandReady(): Promise<void> {
  if (missing.has("stop")) throw new DependencyUnavailable("node, which is stopping,");
  if (missing.has("start")) throw new DependencyUnavailable("node, which is starting,");
  if (missing.has("services")) throw new DependencyUnavailable("rest of the cluster");
  if (config.services.includes("avatars")) await objectStore.check();
  if (isDeaf()) throw new DependencyUnavailable("connection to Kafka");
  if (!config.needsDatabase) return;
  if (missing.has("database") || (await databaseHealth()).status === "disconnected")
    throw new DependencyUnavailable("database");
}

gaugeOf("user_service_node_ready", "1 if the node is ready for requests, 0 if it is not", () =>
  demandReady().then(
    () => 1,
    () => 0,
  ),
);
