import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import { readOneself } from "./get.ts";
import type { Request } from "./load.ts";
import type { Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

const IDS = 100;

/** `POST /users/lookup` with 100 ids may cost at most 3 times as much as `GET /users/:id` on the same server. */
export const lookup: Part = async (bench) => {
  const database = await bench.databases.create("lookup");
  await seedUsers(database, 10_000);
  const [lookups, gets] = [await lookUpUsers(database), await readOneself(database)];
  const measurements: Measurement[] = [];
  for (const [cache, seconds] of [
    ["off", "0"],
    ["on", "60"],
  ] as const) {
    const server = await startService({ ...database.env, USER_CACHE_SECONDS: seconds });
    const name = `POST /users/lookup of ${IDS} ids, cache ${cache}; one GET /users/:id`;
    const [ours, reference] = [
      { server, requests: lookups },
      { server, requests: gets },
    ];
    measurements.push(...(await compareRequests(bench, name, { atLeast: 1 / 3 }, ours, reference)));
    await server.stop();
  }
  return measurements;
};

/** An administrator who asks for all users, 100 at a time. */
async function lookUpUsers({ sql }: Database): Promise<Request[]> {
  const users = await sql<{ id: string }>("SELECT id FROM users ORDER BY id");
  const headers = { ...(await adminBearer()), "content-type": "application/json" };
  const pages = Array.from({ length: users.length / IDS }, (_, i) => users.slice(i * IDS, (i + 1) * IDS));
  return pages.map((page) => ({
    method: "POST",
    path: "/api/v1/users/lookup",
    headers,
    body: JSON.stringify({ ids: page.map(({ id }) => id) }),
  }));
}
