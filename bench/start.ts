import { chmod, copyFile, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { progress } from "../cli/progress.ts";
import type { Bench, Part } from "./part.ts";
import { launchService, untilAnswer } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** From `npm start` to the first successful answer, with the embedded PostgreSQL. */
export const start: Part = async (bench) => {
  const headers = await adminBearer(); // the first call creates the key
  const cold: number[] = [];
  for (let i = 0; i < (bench.quick ? 1 : 3); i++) {
    progress(`start, cold: ${i + 1}`);
    cold.push(await timeOf(await newDataDir(bench), headers));
  }
  const warm: number[] = [];
  const dataDir = await newDataDir(bench);
  await timeOf(dataDir, headers); // creates the data for the rounds below
  for (let i = 0; i < (bench.quick ? 2 : 5); i++) {
    progress(`start, warm: ${i + 1}`);
    warm.push(await timeOf(dataDir, headers));
  }
  const measurements: Measurement[] = [
    { name: "Start with existing data", unit: "s", ours: warm, target: { atMost: 2 } },
    { name: "First start: initdb, migrations", unit: "s", ours: cold, target: { atMost: 6 } },
  ];
  return measurements;
};

/** An empty folder, except for the key that signed our token. */
async function newDataDir({ folder }: Bench): Promise<string> {
  const dataDir = await mkdtemp(join(folder, "start-"));
  await chmod(dataDir, 0o755); // PostgreSQL's account must enter it if root runs the benchmark
  const key = "development-key.json";
  await copyFile(join(process.env.DATA_DIR ?? "", key), join(dataDir, key));
  return dataDir;
}

/** In seconds. */
async function timeOf(dataDir: string, headers: Record<string, string>): Promise<number> {
  const begin = performance.now();
  const service = await launchService({ DATA_DIR: dataDir });
  await untilAnswer(`${service.url}/api/v1/users`, headers);
  const seconds = (performance.now() - begin) / 1000;
  await service.stop();
  return seconds;
}
