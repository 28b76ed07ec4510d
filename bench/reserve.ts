import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import type { Request } from "./load.ts";
import type { Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { startBare, startService } from "./servers.ts";

const INTERNAL_TOKEN = "an-internal-token-of-at-least-32-characters";

/** Reservations of quotas, against a bare program that makes each in one statement with a CTE, on the same database. */
export const reserve: Part = async (bench) => {
  const database = await bench.databases.create("reserve");
  await seedUsers(database, 10_000);
  const env = { ...database.env, INTERNAL_TOKEN };
  const service = await startService(env);
  const bare = await startBare("bare-reserve.ts", env);
  const requests = await reserveStorage(database);
  const settle = () => emptied(database);
  const measurements = await compareRequests(
    bench,
    "POST /users/:id/quota/reservations; one statement with a CTE",
    { atLeast: 0.8 },
    { server: service, requests, settle },
    { server: bare, requests, settle },
  );
  await Promise.all([service.stop(), bare.stop()]);
  return measurements;
};

/** One byte for each of 200 users in turn. They are free again after a second, so no sum grows without bound. */
async function reserveStorage({ sql }: Database): Promise<Request[]> {
  const users = await sql<{ id: string }>("SELECT id FROM users ORDER BY keycloak_id LIMIT 200");
  return users.map(({ id }) => ({
    method: "POST",
    path: `/api/v1/users/${id}/quota/reservations`,
    headers: { "x-internal-token": INTERNAL_TOKEN, "content-type": "application/json" },
    body: JSON.stringify({ resource: "storage", ttl: 1 }),
  }));
}

/** Both sides begin with an empty table. */
async function emptied({ sql }: Database): Promise<number> {
  await sql("TRUNCATE quota_reservations");
  return 0;
}
