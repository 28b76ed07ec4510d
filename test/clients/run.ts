import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { jpeg } from "../helpers/images.ts";
import { spawnService } from "../helpers/process.ts";

/**
 * Uses the published documents like other projects: linters report nothing, and clients that are generated from
 * them compile and complete a round trip. The contracts package works with TypeScript 5 and its `node10` resolution.
 * Exits with 1 if a step fails.
 *
 * `npm run test:clients -- TOOLS`: TOOLS is a copy of this folder, with its packages in node_modules and venv (.ci/run).
 */

const STEPS = [
  "redocly lint --config redocly.yaml openapi.json asyncapi.json",
  "spectral lint --ruleset spectral.yaml --fail-severity hint openapi.json asyncapi.json",

  "openapi-typescript openapi.json --output typescript/api.d.ts",
  "tsc --project typescript",
  "node typescript/round-trip.ts",

  "openapi-python-client generate --path openapi.json --config python/config.yaml --meta none --output-path python/user_service --overwrite --fail-on-warning",
  "mypy --strict python",
  "python python/round_trip.py",

  "tsc --noEmit --strict --target es2022 --module commonjs --moduleResolution node10 consumer/plain.ts",
];

/** Copies the contracts package, and a project that uses it, next to the clients. */
async function installContracts(): Promise<void> {
  await promisify(execFile)("npm", ["run", "build:contracts"], { cwd: ROOT });
  await cp(join(ROOT, "dist/contracts"), join(tools, "node_modules/user-service"), { recursive: true });
  await cp(join(ROOT, "test/consumer"), join(tools, "consumer"), { recursive: true });
}

const ROOT = join(import.meta.dirname, "../..");
const tools = resolve(process.argv[2] ?? "");
const service = await spawnService({});
try {
  await installContracts();
  await service.ready(60_000);
  for (const name of ["openapi.json", "asyncapi.json"])
    await writeFile(join(tools, name), await (await fetch(`${service.url}/${name}`)).text());
  await writeFile(join(tools, "ada.jpg"), await jpeg());

  const [TOKEN] = /^eyJ\S+$/m.exec(service.printed()) ?? [];
  const places = [join(tools, "node_modules/.bin"), join(tools, "venv/bin"), dirname(process.execPath)];
  const env = {
    ...process.env,
    PATH: [...places, process.env.PATH].join(":"),
    URL: service.url,
    TOKEN,
    IMAGE: join(tools, "ada.jpg"),
  };
  for (const step of STEPS) {
    console.log(`\n> ${step}`);
    const [code] = await once(spawn(step, { shell: true, cwd: tools, env, stdio: "inherit" }), "exit");
    if (code !== 0) {
      console.error(`Failed: ${step}`);
      process.exitCode = 1;
    }
  }
} finally {
  await service.remove();
}
