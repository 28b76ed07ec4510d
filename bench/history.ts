import { progress } from "../cli/progress.ts";
import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import type { Request } from "./load.ts";
import type { Bench, Part } from "./part.ts";
import { untilPublished } from "./post.ts";
import { seedUsers } from "./seed.ts";
import { startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** Versions of each user, all but the first made by a change of the biography. */
const VERSIONS = 20;
const HALF_WAY = VERSIONS / 2;

/**
 * A history of 10 million entries: a user at an earlier version may cost at most twice as much as the user now, and a
 * change must not cost more than with a history of 20,000 entries.
 */
export const history: Part = async (bench) => {
  const long = await prepare(bench, "history_long", bench.quick ? 5_000 : 500_000);
  const short = await prepare(bench, "history_short", 1_000);
  const at = await requestsOf(long.database);
  const [past, now] = [at("GET", `?version=${HALF_WAY}`), at("GET", "")];
  const measurements: Measurement[] = [
    ...(await compareRequests(
      bench,
      `GET /users/:id?version=${HALF_WAY} of ${VERSIONS}, ${long.entries} entries; GET /users/:id`,
      { atLeast: 0.5 },
      { server: long.server, requests: past },
      { server: long.server, requests: now },
    )),
    ...(await compareRequests(
      bench,
      `PATCH /users/:id, ${long.entries} entries; ${short.entries} entries`,
      { atLeast: 0.9 },
      { server: long.server, requests: at("PATCH", ""), settle: () => untilPublished(long.database) },
      {
        server: short.server,
        requests: (await requestsOf(short.database))("PATCH", ""),
        settle: () => untilPublished(short.database),
      },
    )),
  ];
  await Promise.all([long.server.stop(), short.server.stop()]);
  return measurements;
};

async function prepare({ databases }: Bench, name: string, users: number) {
  const entries = (users * VERSIONS).toLocaleString("en");
  progress(`history: ${entries} entries`);
  const database = await databases.create(name);
  await seedUsers(database, users);
  await database.sql(CHANGES, [VERSIONS]);
  await database.sql("UPDATE users SET version = $1::int, bio = 'version ' || $1::int", [VERSIONS]);
  await database.sql("VACUUM (ANALYZE)");
  const server = await startService({ ...database.env, USER_CACHE_SECONDS: "0" });
  return { database, server, entries };
}

/** The changes of all users take turns, as they do in time. */
const CHANGES = `
  INSERT INTO user_history (user_id, version, at, by_kind, by_id, event_id, trace_id, changes)
  SELECT id, n, created_at + n * interval '1 minute', 'user', keycloak_id, gen_random_uuid(), md5(id || n::text),
    jsonb_build_object('bio', jsonb_build_object('from', 'version ' || n - 1, 'to', 'version ' || n))
  FROM generate_series(1, $1::int) AS n CROSS JOIN users ORDER BY n`;

/** Requests of an admin, each to another of 1,000 users. */
async function requestsOf({ sql }: Database) {
  const users = await sql<{ id: string }>("SELECT id FROM users ORDER BY keycloak_id LIMIT 1000");
  const headers = { ...(await adminBearer()), "content-type": "application/json" };
  return (method: "GET" | "PATCH", query: string): Request[] =>
    users.map(({ id }) => ({
      method,
      path: `/api/v1/users/${id}${query}`,
      headers,
      ...(method === "PATCH" && { body: JSON.stringify({ profile: { bio: "Hires people since [<id>]" } }) }),
    }));
}
