import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import { readOneself } from "./get.ts";
import type { Request } from "./load.ts";
import type { Part } from "./part.ts";
import { untilPublished } from "./post.ts";
import { seedUsers } from "./seed.ts";
import { startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** The other routes that are requested often, each against `GET /users/:id` on the same server, without the cache. */
export const routes: Part = async (bench) => {
  const database = await bench.databases.create("routes");
  await seedUsers(database, 10_000);
  const server = await startService({ ...database.env, USER_CACHE_SECONDS: "0", INTERNAL_TOKEN });
  const reference = { server, requests: await readOneself(database) };
  const measurements: Measurement[] = [];
  for (const [name, requests] of Object.entries(await requestsOf(database))) {
    const ours = { server, requests, settle: () => untilPublished(database) };
    measurements.push(...(await compareRequests(bench, name, undefined, ours, reference)));
  }
  await server.stop();
  return measurements;
};

const INTERNAL_TOKEN = "an-internal-token-of-at-least-32-characters";

async function requestsOf(database: Database): Promise<Record<string, Request[]>> {
  const users = await database.sql<{ id: string; sub: string; email: string }>(
    "SELECT id, keycloak_id AS sub, email FROM users ORDER BY keycloak_id LIMIT 200",
  );
  const own = await readOneself(database);
  const [admin, json] = [await adminBearer(), { "content-type": "application/json" }];
  const get = (pathOf: (user: (typeof users)[number]) => string): Request[] =>
    users.map((user, n) => ({
      method: "GET",
      path: `/api/v1/users${pathOf(user)}`,
      headers: own[n]?.headers ?? {},
    }));
  return {
    "GET /users/me": get(() => "/me"),
    "GET /users/by-keycloak/:keycloakId": get(({ sub }) => `/by-keycloak/${sub}`),
    "GET /users/by-email/:email": get(({ email }) => `/by-email/${email}`).map((one) => ({
      ...one,
      headers: admin,
    })),
    "GET /users/:id/preferences": get(({ id }) => `/${id}/preferences`),
    "GET /users/:id/stats": get(({ id }) => `/${id}/stats`),
    "GET /users/:id/quotas": get(({ id }) => `/${id}/quotas`),
    "GET /users, a page of 20": [{ method: "GET", path: "/api/v1/users?limit=20", headers: admin }],
    "POST /users/:id/stats/increment-interviews": users.map(({ id }) => ({
      method: "POST",
      path: `/api/v1/users/${id}/stats/increment-interviews`,
      headers: { ...json, "x-internal-token": INTERNAL_TOKEN },
      body: "{}",
    })),
  };
}
