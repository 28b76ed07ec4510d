import { setTimeout as sleep } from "node:timers/promises";
import { compareRequests } from "./compare.ts";
import type { Database } from "./databases.ts";
import type { Request } from "./load.ts";
import { BARE, type Part } from "./part.ts";
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
    const service = await startService(ours.env);
    const bare = await startBare("bare-post.ts", { ...theirs.env, ...bareEnv });
    const requests = [await signUp()];
    measurements.push(
      ...(await compareRequests(
        bench,
        name,
        { atLeast: 0.85 },
        { server: service, requests, settle: () => untilPublished(ours) },
        { server: bare, requests, settle: () => emptied(theirs) },
      )),
    );
    await Promise.all([service.stop(), bare.stop()]);
  }
  return measurements;
};

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

/** Waits until all events are published. Returns how many were unpublished at first. */
export async function untilPublished(database: Database): Promise<number> {
  const left = await waiting(database);
  while ((await waiting(database)) > 0) await sleep(20);
  return left;
}

/** Empties an outbox without a relay. */
export async function emptied({ sql }: Database): Promise<number> {
  await sql("TRUNCATE outbox");
  return 0;
}

/** The number of unpublished events. */
async function waiting({ sql }: Database): Promise<number> {
  const [row] = await sql<{ count: number }>("SELECT count(*)::int AS count FROM outbox");
  return row?.count ?? 0;
}
