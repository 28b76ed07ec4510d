import { once } from "node:events";
import { join } from "node:path";
import { progress } from "../cli/progress.ts";
import { readOneself } from "./get.ts";
import { CONNECTIONS, type Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { type Server, startService } from "./servers.ts";

/** The heap that stays in use must not grow with the number of requests. */
export const heap: Part = async ({ databases, load, quick }) => {
  const database = await databases.create("heap");
  await seedUsers(database, 1_000);
  const requests = await readOneself(database);
  const service = await startService(database.env, {
    nodeFlags: ["--import", join(import.meta.dirname, "heap-probe.ts")],
  });
  const get = (amount: number) => load.fire({ url: service.url, connections: CONNECTIONS, amount, requests });

  const amount = quick ? 20_000 : 200_000;
  progress("heap: warm-up");
  await get(amount / 10);
  const before = await heapUsed(service);
  progress(`heap: ${amount} requests`);
  await get(amount);
  const after = await heapUsed(service);
  await service.stop();

  const name = `Heap growth over ${amount.toLocaleString("en")} GET /users/:id`;
  return [{ name, unit: "MB", ours: [(after - before) / 2 ** 20], target: { atMost: 5 } }];
};

/** In bytes, after garbage collection. */
async function heapUsed({ process }: Server): Promise<number> {
  process.send("heap?");
  const [bytes] = await once(process, "message");
  return bytes;
}
