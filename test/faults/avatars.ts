import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "minio";
import { readConfig } from "../../lib/config/config.ts";
import type { World } from "./world.ts";

/** The orphans that the reconciler will find in two hours, and the objects that are left after it. */
export type Strays = { removed: number; broken: number; orphans: number };

/** The bucket, read without the code of the service. */
export function openBucket({ env }: World): { client: Client; bucket: string } {
  const { minio } = readConfig({ ...process.env, ...env });
  if (!minio) throw new Error("MINIO_ENDPOINT is not set");
  return { client: new Client(minio), bucket: minio.bucket };
}

export async function strayAvatars(world: World): Promise<Strays> {
  const { env, sql } = world;
  const script = join(import.meta.dirname, "reconcile.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    env: { ...process.env, ...env },
  });
  const findings: { removed: number; broken: string[] } = JSON.parse(stdout);

  const { client, bucket } = openBucket(world);
  const rows = await sql<{ key: string }>("SELECT avatar_key AS key FROM users WHERE avatar_key IS NOT NULL");
  const keys = new Set(rows.map(({ key }) => key));
  let orphans = 0;
  // objects without a folder are not avatars: a node writes one to check its rights
  for await (const { name } of client.listObjectsV2(bucket, "", true))
    if (name.includes("/") && !keys.has(name.slice(0, name.lastIndexOf("/")))) orphans++;
  return { removed: findings.removed, broken: findings.broken.length, orphans };
}
