import { setTimeout as sleep } from "node:timers/promises";
import { alternate } from "./alternate.ts";
import type { Database } from "./databases.ts";
import type { Request } from "./load.ts";
import { BARE, type Bench, CONNECTIONS, type Part, shortRoundsOf } from "./part.ts";
import { startBare, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** `POST /users` with its event, against a bare program that stores both and publishes nothing. */
export const post: Part = async (bench) => {
  const measurements: Measurement[] = [];
  for (const [what, bareEnv] of Object.entries(BARE)) {
    const name = `POST /users, with its event; ${what}`;
    const ours = await bench.databases.create(`ours, ${what}`);
    const theirs = await bench.databases.create(`theirs, ${what}`);
    const results = await compareRates(bench, name, ours, theirs, bareEnv);
    measurements.push({ name, unit: "req/s", ...results, target: { atLeast: 0.85 } });
  }
  return measurements;
};

async function compareRates(
  bench: Bench,
  name: string,
  ours: Database,
  theirs: Database,
  bareEnv: Record<string, string>,
) {
  const { rounds, seconds } = shortRoundsOf(bench);
  const service = await startService(ours.env);
  const bare = await startBare("bare-post.ts", { ...theirs.env, ...bareEnv });
  const job = { connections: CONNECTIONS, seconds, requests: [await signUp()] };

  const results = await alternate(
    name,
    rounds,
    async () => {
      const { rate } = await bench.load.fire({ url: service.url, ...job });
      const left = await waiting(ours);
      while ((await waiting(ours)) > 0) await sleep(20);
      return rate - left / seconds; // what is yet to be published is yet to be paid for
    },
    async () => {
      const { rate } = await bench.load.fire({ url: bare.url, ...job });
      await theirs.sql("TRUNCATE outbox"); // nobody else empties it
      return rate;
    },
  );
  await Promise.all([service.stop(), bare.stop()]);
  return results;
}

const signUp = async (): Promise<Request> => ({
  method: "POST",
  path: "/api/v1/users",
  headers: { ...(await adminBearer()), "content-type": "application/json" },
  body: JSON.stringify({
    keycloakId: "[<id>]",
    email: "[<id>]@example.com",
    profile: { fullName: "Anna Example", companyName: "Acme", phone: "+4930123456", bio: "Hires people." },
  }),
});

/** How many events are yet to be published. */
async function waiting({ sql }: Database): Promise<number> {
  const [row] = await sql<{ count: number }>("SELECT count(*)::int AS count FROM outbox");
  return row?.count ?? 0;
}
