import { alternate } from "./alternate.ts";
import { readOneself } from "./get.ts";
import type { Request } from "./load.ts";
import { type Bench, CONNECTIONS, type Part, roundsOf } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { peakRss, type Server, startBare, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";
import { photo, upload } from "./uploads.ts";

/**
 * Avatars: uploads, against busboy, sharp and files alone; downloads, against node:http alone; and the effect on other
 * requests.
 */
export const avatars: Part = async (bench) => {
  const database = await bench.databases.create("avatars");
  await seedUsers(database, 1_000);
  const users = await readOneself(database);
  const paths = users.map(({ path }) => `${path}/avatar`);
  const service = await startService(database.env);
  const bare = await startBare("bare-avatars.ts", { ...database.env, REMEMBER_TOKENS: "1" });
  const servers = { service, bare, paths, headers: await adminBearer() };
  const measurements = [
    ...(await uploads(bench, servers)),
    ...(await serving(bench, servers)),
    await others(bench, servers, users),
    { name: "Peak RSS", unit: "MB", ours: [peakRss(service)], target: { atMost: 512 } },
  ];
  await Promise.all([service.stop(), bare.stop()]);
  return measurements;
};

type Servers = { service: Server; bare: Server; paths: string[]; headers: Record<string, string> };

const PHOTOS = { "100 kB": [860, 645], "1 MB": [2_800, 2_100], "5 MB": [6_100, 4_575] } as const;

async function uploads(bench: Bench, { service, bare, paths, headers }: Servers): Promise<Measurement[]> {
  const { rounds, seconds } = roundsOf(bench);
  const measurements: Measurement[] = [];
  for (const [size, [width, height]] of Object.entries(PHOTOS)) {
    const file = await photo(width, height);
    for (const atOnce of [1, 8]) {
      const name = `POST /users/:id/avatar, ${size}, ${atOnce} at once`;
      const rateOf = (server: Server) => () =>
        upload({ url: server.url, paths, headers, file, atOnce, seconds });
      const results = await alternate(name, rounds, rateOf(service), rateOf(bare));
      measurements.push({ name, unit: "uploads/s", ...results, target: { atLeast: 0.8 } });
    }
  }
  return measurements;
}

/** Uploads the same file to the bare program first, so that both serve the same bytes. */
async function serving(bench: Bench, { service, bare, paths, headers }: Servers): Promise<Measurement[]> {
  const { rounds, seconds } = roundsOf(bench);
  const [path = ""] = paths;
  const file = await photo(600, 600);
  for (const { url } of [service, bare])
    await upload({ url, paths: [path], headers, file, atOnce: 1, seconds: 0.01 });
  const { headers: answer } = await fetch(service.url + path);
  const get = { method: "GET", path, headers: {} } satisfies Request;
  const known = { ...get, headers: { "if-none-match": answer.get("etag") ?? "" } };
  const rateOf = (server: Server, request: Request) => async () => {
    const job = { url: server.url, connections: CONNECTIONS, seconds, requests: [request] };
    return (await bench.load.fire(job)).rate;
  };
  const [whole, unchanged] = ["GET /users/:id/avatar", "GET /users/:id/avatar, 304; reference: our own 200"];
  const asked = await alternate(whole, rounds, rateOf(service, get), rateOf(bare, get));
  const again = await alternate(unchanged, rounds, rateOf(service, known), rateOf(service, get));
  return [
    { name: whole, unit: "req/s", ...asked, target: { atLeast: 0.7 } },
    { name: unchanged, unit: "req/s", ...again, target: { atLeast: 2 } },
  ];
}

async function others(
  bench: Bench,
  { service, paths, headers }: Servers,
  requests: Request[],
): Promise<Measurement> {
  const { rounds, seconds } = roundsOf(bench);
  const name = "p99 of GET /users/:id with 8 uploads of 1 MB under way; reference: without";
  const file = await photo(...PHOTOS["1 MB"]);
  const p99 = async () =>
    (await bench.load.fire({ url: service.url, connections: 4, seconds, requests })).p99;
  const busy = async () => {
    const uploading = upload({ url: service.url, paths, headers, file, atOnce: 8, seconds: seconds + 0.5 });
    const [slowest] = await Promise.all([p99(), uploading]);
    return slowest;
  };
  const results = await alternate(name, rounds, busy, p99);
  return { name, unit: "ms", ...results, target: { atMost: 3 } };
}
