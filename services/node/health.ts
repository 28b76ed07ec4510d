import { openConnections, ping } from "../../models/database.ts";
import { config } from "../shared/config.ts";
import { DependencyUnavailable } from "../shared/errors.ts";

/** What a node tells of itself (SPEC 6). */
export type Health = {
  status: "ok" | "error";
  timestamp: string;
  database: { status: "connected" | "disconnected"; connections: number };
  kafka: { status: "connected" | "disconnected" | "embedded"; broker: string | null };
};

/** What stands between the node and its work; empty where it may be asked. */
const missing = new Set<"start" | "database" | "stop">(["start", "database"]);

/** The node starts, stops, or waits for its database. */
export const notReady = (reason: "start" | "database" | "stop"): unknown => missing.add(reason);
export const nowReady = (reason: "start" | "database"): unknown => missing.delete(reason);

const isConnected = (): Promise<boolean> =>
  ping().then(
    () => true,
    () => false,
  );

export async function healthReport(): Promise<Health> {
  const connected = await isConnected();
  return {
    status: connected ? "ok" : "error",
    timestamp: new Date().toISOString(),
    database: { status: connected ? "connected" : "disconnected", connections: openConnections() },
    kafka: { status: "embedded", broker: null },
  };
}

/** @throws DependencyUnavailable where the node should not be asked now, and why */
export async function demandReady(): Promise<void> {
  if (missing.has("stop")) throw new DependencyUnavailable("node, which is stopping,");
  if (missing.has("start")) throw new DependencyUnavailable("node, which is starting,");
  if (!config.needsDatabase) return;
  if (missing.has("database") || !(await isConnected())) throw new DependencyUnavailable("database");
}
