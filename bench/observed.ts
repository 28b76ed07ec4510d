import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { compareRequests } from "./compare.ts";
import { readOneself } from "./get.ts";
import type { Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";

/**
 * The cost of observability: with metrics, a trace of every 100th request and a log line for each, against none of
 * these.
 */
export const observed: Part = async (bench) => {
  const database = await bench.databases.create("observed");
  await seedUsers(database, 10_000);
  const requests = await readOneself(database);
  const collector = await startCollector();
  const measurements: Measurement[] = [];
  for (const [cache, seconds] of [
    ["off", "0"],
    ["on", "60"],
  ] as const) {
    const name = `GET /users/:id, cache ${cache}, with metrics, traces and logs; without`;
    const env = { ...database.env, USER_CACHE_SECONDS: seconds };
    const seen = await startService({ ...env, JAEGER_ENDPOINT: collector.url, TRACE_SAMPLE: "0.01" });
    const unseen = await startService(
      { ...env, LOG_LEVEL: "fatal" },
      { config: "bench/unobserved.config.ts" },
    );
    const without = { server: unseen, requests };
    measurements.push(
      ...(await compareRequests(bench, name, { atLeast: 0.9 }, { server: seen, requests }, without)),
    );
    await Promise.all([seen.stop(), unseen.stop()]);
  }
  collector.server.close();
  return measurements;
};

/** Accepts spans as Jaeger does, and discards them. */
async function startCollector() {
  const server = http.createServer((req, res) => req.resume().on("end", () => res.end()));
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/traces` };
}
