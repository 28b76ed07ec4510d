import { alternate } from "./alternate.ts";
import { readOneself } from "./get.ts";
import { BARE, type Part, roundsOf } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { peakRss, startBare, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";

/** `GET /users/:id` over more and more connections: the rate, and the memory that the connections take. */
export const connections: Part = async (bench) => {
  const { rounds, seconds } = roundsOf(bench);
  const database = await bench.databases.create("connections");
  await seedUsers(database, 10_000);
  const requests = await readOneself(database);
  const service = await startService(database.env);
  const bare = await startBare("bare-get.ts", { ...database.env, ...BARE["bare remembers tokens"] });
  const measurements: Measurement[] = [];
  for (const connections of [10, 100, 1_000]) {
    const name = `GET /users/:id over ${connections} connections`;
    const rateAt = (url: string) => async () =>
      (await bench.load.fire({ url, connections, seconds, requests })).rate;
    const rates = await alternate(name, rounds, rateAt(service.url), rateAt(bare.url));
    measurements.push(
      { name: `${name}; bare remembers tokens`, unit: "req/s", ...rates },
      { name: `${name}: peak RSS`, unit: "MB", ours: [peakRss(service)], reference: [peakRss(bare)] },
    );
  }
  await Promise.all([service.stop(), bare.stop()]);
  return measurements;
};
