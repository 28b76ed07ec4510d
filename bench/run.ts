import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { progress } from "../cli/progress.ts";
import { avatars } from "./avatars.ts";
import { call } from "./call.ts";
import { connections } from "./connections.ts";
import { startDatabases } from "./databases.ts";
import { get } from "./get.ts";
import { history } from "./history.ts";
import { ingest } from "./ingest.ts";
import { list } from "./list.ts";
import { startLoad } from "./load.ts";
import { lookup } from "./lookup.ts";
import { memory } from "./memory.ts";
import { mirror } from "./mirror.ts";
import { observed } from "./observed.ts";
import type { Part } from "./part.ts";
import { patch } from "./patch.ts";
import { post } from "./post.ts";
import { relay } from "./relay.ts";
import { reserve } from "./reserve.ts";
import { routes } from "./routes.ts";
import { start } from "./start.ts";
import type { Measurement } from "./statistics.ts";
import { CONDITIONS, toTable } from "./table.ts";

/**
 * `npm run bench [-- PART…] [--quick]`: the figures of docs/capacity.md, measured on this machine. The last three parts
 * need a Kafka at KAFKA_BROKERS. Writes progress to stderr and a Markdown table to stdout.
 */

const PARTS: Record<string, Part> = {
  get,
  post,
  patch,
  reserve,
  routes,
  connections,
  observed,
  mirror,
  list,
  lookup,
  history,
  avatars,
  start,
  memory,
  ingest,
  call,
  relay,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false } },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(PARTS);
const unknown = wanted.filter((name) => !PARTS[name]);
if (unknown.length > 0) {
  console.error(`${unknown.join(", ")}: no such part; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "user-service-bench-"));
chmodSync(folder, 0o755); // PostgreSQL's account must enter it if root runs the benchmark
process.env.DATA_DIR = join(folder, "data");
process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    console.error(`\nEnded by ${signal}`);
    process.exit(1);
  });

const databases = await startDatabases(join(folder, "postgres"));
const load = startLoad();
const measurements: Measurement[] = [];
for (const name of wanted)
  try {
    measurements.push(...((await PARTS[name]?.({ databases, load, folder, quick: values.quick })) ?? []));
  } catch (error) {
    console.error(`${name} failed:`, error); // the other parts go on
    process.exitCode = 1;
  }
load.stop();
await databases.stop();
progress("");
console.log(`${toTable(measurements)}\n\n${CONDITIONS}`);
process.exit(); // also if a failed part left a server
