import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import type { Request } from "./load.ts";
import { BARE, type Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { startBare, startService } from "./servers.ts";
import type { Measurement, Target } from "./statistics.ts";
import { bearer } from "./tokens.ts";

/**
 * `GET /users/:id`: the cost of the framework, and the gain of the cache. The bare program always reads the database.
 */
export const get: Part = async (bench) => {
  const database = await bench.databases.create("get");
  await seedUsers(database, 10_000);
  const requests = await readOneself(database);
  const measurements: Measurement[] = [];
  for (const [cache, { seconds, target }] of Object.entries(CACHE))
    for (const [what, bareEnv] of Object.entries(BARE)) {
      const name = `GET /users/:id, cache ${cache}; ${what}`;
      const service = await startService({ ...database.env, USER_CACHE_SECONDS: seconds });
      const bare = await startBare("bare-get.ts", { ...database.env, ...bareEnv });
      const ours = { server: service, requests };
      measurements.push(...(await compareRequests(bench, name, target, ours, { server: bare, requests })));
      await Promise.all([service.stop(), bare.stop()]);
    }
  return measurements;
};

const CACHE: Record<string, { seconds: string; target: Target }> = {
  off: { seconds: "0", target: { atLeast: 0.8 } },
  on: { seconds: "60", target: { atLeast: 1.5 } },
};

/** 200 users, each of whom requests their own data with their own token. */
export async function readOneself({ sql }: Database): Promise<Request[]> {
  const users = await sql<{ id: string; sub: string }>(
    "SELECT id, keycloak_id AS sub FROM users ORDER BY keycloak_id LIMIT 200",
  );
  return Promise.all(
    users.map(async ({ id, sub }) => ({
      method: "GET",
      path: `/api/v1/users/${id}`,
      headers: await bearer({ sub }),
    })),
  );
}
