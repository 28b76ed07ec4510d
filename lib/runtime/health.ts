import type { Context } from "moleculer";
import { openConnections } from "../../models/connections.ts";
import { ping } from "../../models/database.ts";
import { isReplicaUsed } from "../../models/replica.ts";
import { config } from "../config/config.ts";
import { call } from "../contract/call.ts";
import { DependencyUnavailable } from "../contract/errors.ts";
import { openAdmin } from "../kafka/admin.ts";
import { deniedRights } from "../kafka/rights.ts";
import { isDeafTo } from "./listening.ts";
import { gaugeOf } from "./metrics.ts";

type DatabaseStatus = "connected" | "disconnected";

/** What a node reports about itself (contract 6). */
export type Health = {
  status: "ok" | "error";
  timestamp: string;
  /** Unknown if the node has no database and no other node answers it. */
  database: { status: DatabaseStatus | "unknown"; connections: number };
  kafka: {
    status: "connected" | "disconnected" | "embedded";
    broker: string | null;
    /** The rights that Kafka denies this node, if there are any. */
    denied?: string[];
  };
  /** Not there if all works. */
  degraded?: Part[];
};

/** What may not work on a node that serves requests: avatars, calls of other nodes, consuming events, or the replica. */
const PARTS = ["object store", "cluster", "topics", "replica"] as const;
type Part = (typeof PARTS)[number];

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

let storeWorks = true;

/** Notes whether the object store works. Returns whether that is new. */
export function noteStore(works: boolean): boolean {
  const isNew = works !== storeWorks;
  storeWorks = works;
  return isNew;
}

function isDegraded(part: Part): boolean {
  if (part === "object store") return !storeWorks;
  if (part === "replica") return config.readsReplica && !isReplicaUsed();
  return isDeafTo(part);
}

/** The parts that do not work, for an answer; nothing if all work. */
export function degradation(): { degraded?: Part[] } {
  const degraded = PARTS.filter(isDegraded);
  return degraded.length > 0 ? { degraded } : {};
}

/** The database as this node sees it; a read-only one counts as disconnected. */
export async function databaseHealth(): Promise<{ status: DatabaseStatus; connections: number }> {
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
  const denied = deniedRights();
  return {
    status,
    broker: config.kafka?.brokers.join(",") ?? null,
    ...(denied.length > 0 && { denied }),
  };
}

/** In ms. How long a node waits for what another one sees. */
const ANSWER_WITHIN = 1_000;

/** What the node sees; a node without a database asks the nodes that have one (contract 8). */
export async function healthReport(ctx: Pick<Context, "call">): Promise<Health> {
  const [database, kafka] = await Promise.all([
    config.needsDatabase
      ? databaseHealth()
      : call(ctx, "database.health", {}, { timeout: ANSWER_WITHIN }).catch(() => ({
          status: "unknown" as const,
          connections: 0,
        })),
    kafkaHealth(),
  ]);
  const status = database.status === "disconnected" ? "error" : "ok";
  return { status, timestamp: new Date().toISOString(), database, kafka, ...degradation() };
}

/** Call it when the node stops. */
export const closeHealth = async (): Promise<void> => kafka?.close();

/**
 * A node is ready if it can serve requests. Without the object store it serves all but avatars, and without the cluster
 * it serves all if it needs no other node.
 * @throws DependencyUnavailable with the reason if the node must not get requests now
 */
export async function demandReady(): Promise<void> {
  if (missing.has("stop")) throw new DependencyUnavailable("node, which is stopping,");
  if (missing.has("start")) throw new DependencyUnavailable("node, which is starting,");
  if (missing.has("services")) throw new DependencyUnavailable("rest of the cluster");
  if (isDeafTo("cluster") && !config.servesAlone) throw new DependencyUnavailable("connection to Kafka");
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
gaugeOf(
  "user_service_node_degraded",
  "1 if this part of the node does not work although it serves requests: the object store, the cluster's packets, consumed topics, or the replica of the database",
  () => PARTS.map((part) => ({ labels: { part }, value: isDegraded(part) ? 1 : 0 })),
  ["part"],
);
