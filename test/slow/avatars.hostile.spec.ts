import { writeSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { HostileFile } from "../helpers/hostile-file.ts";
import { hostileImages } from "../helpers/hostile-images.ts";
import { leftBehind, NOTHING } from "../helpers/left-behind.ts";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { faultOf } from "../helpers/upload-check.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Hundreds of hostile and odd files over HTTP: each has the expected outcome, and no resource leaks. */
let service: TestService;
let files: HostileFile[];
beforeAll(async () => {
  [service, files] = await Promise.all([startService(), hostileImages()]);
}, 60_000);
afterAll(() => service.stop());

test("each hostile file is refused, or re-encoded without any bytes of the upload", async () => {
  expect(files.length).toBeGreaterThan(400);
  const left = [...files];
  const faults: string[] = [];
  const lane = async () => {
    const person = await createUser(service);
    for (let file = left.pop(); file; file = left.pop()) {
      const fault = await faultOf(service.url, person, file);
      if (fault) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  const peak = Math.round(process.resourceUsage().maxRSS / 1024);
  writeSync(
    1,
    `${files.length} hostile files: ${faults.length} faults, peak RSS ${peak} MB, tests included\n`,
  );
  expect(faults).toEqual([]);
}, 120_000);

test("after all hostile files, no calls, connections or temporary files are left", async () => {
  await waitFor(async () => (await leftBehind(service)).connections === 0);
  expect(await leftBehind(service)).toEqual(NOTHING);
  await service.http.get("/health").expect(200);
});
