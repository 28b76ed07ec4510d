import { startNode, type TestNode } from "./node.ts";

/** The tested layouts: all services on one node, or distributed over three nodes. */
export const FORMS = {
  "one node": ["api,users,stats,avatars,identities,outbox,ingest"],
  "three nodes": ["api", "users,identities,outbox,ingest", "stats,avatars"],
};

/** Starts the nodes of one cluster with its own namespace, schema, bucket and consumer group. The first one has the gateway. */
export async function startCluster(
  services: string[],
  more: Record<string, string> = {},
): Promise<{ gateway: TestNode; env: Record<string, string>; stop(): Promise<(number | null)[]> }> {
  const id = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
  const env = {
    DATABASE_SCHEMA: `e2e_${id}`,
    NAMESPACE: `e2e-${id}`,
    KAFKA_GROUP_ID: `e2e-${id}`,
    MINIO_BUCKET: `e2e-${id}`,
    ...more,
  };
  const nodes = await Promise.all(
    services.map((SERVICES, index) => startNode({ ...env, SERVICES, NODEID: `node-${index}` })),
  );
  const [gateway] = nodes;
  if (!gateway) throw new Error("A cluster needs a node");
  return { gateway, env, stop: () => Promise.all(nodes.map((node) => node.stop())) };
}
