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

/** Memory must not grow with the number of requests or uploads, nor with the history of a user that is exported. */
export const memory: Part = async (bench) => {
  const database = await bench.databases.create("memory");
  await seedUsers(database, 1_000);
  return [
    ...(await requests(bench, database)),
    ...(await uploads(bench, database)),
    ...(await exports(bench, database)),
  ];
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

async function exports({ quick }: Bench, database: Database): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const entries of [1_000, quick ? 10_000 : 100_000]) {
    const path = `/api/v1/users/${await addHistory(database, entries)}/export`;
    const name = `an export of ${entries.toLocaleString("en")} entries`;
    progress(`memory: ${name}`);
    const service = await startService(database.env);
    await read(service, path);
    measurements.push({ name: `Peak RSS after ${name}`, unit: "MB", ours: [peakRss(service)] });
    await service.stop();

    const probed = await startProbed(database);
    await read(probed, path.replace("/export", "/history")); // a warm-up
    const before = await heapUsed(probed);
    let growth = 0;
    await read(probed, path, async () => {
      growth = Math.max(growth, (await heapUsed(probed)) - before);
    });
    await probed.stop();
    measurements.push({
      name: `Heap growth amid ${name}`,
      unit: "MB",
      ours: [growth],
      target: { atMost: 5 },
    });
  }
  return measurements;
}

/** Gives a user a history in which each entry changes 1 kB of text. Returns the id. */
async function addHistory({ sql }: Database, entries: number): Promise<string> {
  const [user] = await sql<{ id: string }>(
    `WITH changed AS (
      UPDATE users SET version = $1::int + 1
      WHERE id = (SELECT id FROM users WHERE version = 1 LIMIT 1) RETURNING id
    ), entries AS (
      INSERT INTO user_history (user_id, version, at, by_kind, event_id, trace_id, changes)
      SELECT id, n, now(), 'user', gen_random_uuid(), md5(n::text),
        jsonb_build_object('bio', jsonb_build_object('from', repeat(md5(n::text), 16), 'to', repeat('new', 170)))
      FROM changed, generate_series(2, $1::int + 1) AS n
    )
    SELECT id FROM changed`,
    [entries],
  );
  return user?.id ?? "";
}

/** Reads an answer as an administrator. `look` runs at every megabyte of it. */
async function read({ url }: Server, path: string, look = async () => {}): Promise<void> {
  const answer = await fetch(url + path, { headers: await adminBearer() });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  let [bytes, looks] = [0, 0];
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > looks * 2 ** 20) {
      looks++;
      await look();
    }
  }
}

const startProbed = ({ env }: Database): Promise<Server> =>
  startService(env, { nodeFlags: ["--import", join(import.meta.dirname, "heap-probe.ts")] });

/** In MB, after garbage collection. */
async function heapUsed({ process }: Server): Promise<number> {
  process.send("heap?");
  const [bytes] = await once(process, "message");
  return bytes / 2 ** 20;
}
