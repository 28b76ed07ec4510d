import { once } from "node:events";
import { join } from "node:path";
import { progress } from "../cli/progress.ts";
import type { Database } from "./databases.ts";
import { readOneself } from "./get.ts";
import { type Bench, CONNECTIONS, type Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { peakRss, type Server, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";
import { photo, upload } from "./uploads.ts";

/** Memory must not grow with the number of requests or uploads. */
export const memory: Part = async (bench) => {
  const database = await bench.databases.create("memory");
  await seedUsers(database, 1_000);
  return [...(await requests(bench, database)), ...(await uploads(bench, database))];
};

async function requests({ load, quick }: Bench, database: Database): Promise<Measurement[]> {
  const requests = await readOneself(database);
  const service = await startProbed(database);
  const get = (amount: number) => load.fire({ url: service.url, connections: CONNECTIONS, amount, requests });
  const amount = quick ? 20_000 : 1_000_000;
  progress("memory: warm-up");
  await get(amount / 10);
  const before = await heapUsed(service);
  progress(`memory: ${amount} requests`);
  await get(amount);
  const growth = (await heapUsed(service)) - before;
  const peak = peakRss(service);
  await service.stop();
  const name = `${amount.toLocaleString("en")} GET /users/:id`;
  return [
    { name: `Heap growth over ${name}`, unit: "MB", ours: [growth], target: { atMost: 5 } },
    { name: `Peak RSS after ${name}`, unit: "MB", ours: [peak] },
  ];
}

async function uploads({ quick }: Bench, database: Database): Promise<Measurement[]> {
  const paths = (await readOneself(database)).map(({ path }) => `${path}/avatar`);
  const [headers, file] = [await adminBearer(), await photo(860, 645)];
  const service = await startProbed(database);
  const post = (amount: number) => upload({ url: service.url, paths, headers, file, atOnce: 8, amount });
  const amount = quick ? 100 : 1_000;
  progress("memory: warm-up of the uploads");
  await post(amount / 10);
  const before = await heapUsed(service);
  progress(`memory: ${amount} uploads`);
  await post(amount);
  const growth = (await heapUsed(service)) - before;
  const peak = peakRss(service);
  await service.stop();
  const name = `${amount.toLocaleString("en")} uploads of 100 kB`;
  return [
    { name: `Heap growth over ${name}`, unit: "MB", ours: [growth], target: { atMost: 5 } },
    { name: `Peak RSS after ${name}`, unit: "MB", ours: [peak] },
  ];
}

const startProbed = ({ env }: Database): Promise<Server> =>
  startService(env, { nodeFlags: ["--import", join(import.meta.dirname, "heap-probe.ts")] });

/** In MB, after garbage collection. */
async function heapUsed({ process }: Server): Promise<number> {
  process.send("heap?");
  const [bytes] = await once(process, "message");
  return bytes / 2 ** 20;
}
