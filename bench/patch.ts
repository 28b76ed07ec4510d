import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import { readOneself } from "./get.ts";
import type { Request } from "./load.ts";
import { BARE, type Part } from "./part.ts";
import { emptied, untilPublished } from "./post.ts";
import { seedUsers } from "./seed.ts";
import { startBare, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";

/** `PATCH /users/:id` with its event, against a bare program that saves both in one statement and publishes nothing. */
export const patch: Part = async (bench) => {
  const measurements: Measurement[] = [];
  for (const [what, bareEnv] of Object.entries(BARE)) {
    const name = `PATCH /users/:id, with its event; ${what}`;
    const ours = await bench.databases.create(`patch ours, ${what}`);
    const theirs = await bench.databases.create(`patch theirs, ${what}`);
    await Promise.all([seedUsers(ours, 10_000), seedUsers(theirs, 10_000)]);
    const service = await startService(ours.env);
    const bare = await startBare("bare-patch.ts", { ...theirs.env, ...bareEnv });
    measurements.push(
      ...(await compareRequests(
        bench,
        name,
        { atLeast: 0.7 },
        { server: service, requests: await changesOf(ours), settle: () => untilPublished(ours) },
        { server: bare, requests: await changesOf(theirs), settle: () => emptied(theirs) },
      )),
    );
    await Promise.all([service.stop(), bare.stop()]);
  }
  return measurements;
};

/** 200 users; each request sets another bio. */
async function changesOf(database: Database): Promise<Request[]> {
  const reads = await readOneself(database);
  return reads.map(({ path, headers }) => ({
    method: "PATCH",
    path,
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ profile: { bio: "Hires people since [<id>]" } }),
  }));
}
