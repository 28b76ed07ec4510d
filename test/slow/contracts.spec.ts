import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

/** The package `user-service/contracts`, as another project installs and uses it. */

const ROOT = join(import.meta.dirname, "../..");
const execute = promisify(execFile);
/** The other project. */
let consumer: string;
let installed: string;

/** The faults that a compiler finds, a line each. */
const compile = (args: string[]): Promise<string[]> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      [join(ROOT, "node_modules/typescript/bin/tsc"), ...args],
      { cwd: consumer },
      (_error, printed) => resolve(printed.split("\n").filter((line) => line.includes("error TS"))),
    ),
  );

beforeAll(async () => {
  consumer = await mkdtemp(join(tmpdir(), "user-service-consumer-"));
  await execute("npm", ["run", "build:contracts"], { cwd: ROOT });
  await execute("npm", ["pack", join(ROOT, "dist/contracts"), "--pack-destination", consumer]);
  await cp(join(ROOT, "test/consumer"), consumer, { recursive: true });
  const tarball = (await readdir(consumer)).find((name) => name.endsWith(".tgz")) ?? "";
  const quiet = ["--offline", "--no-audit", "--no-fund"];
  await execute("npm", ["install", ...quiet, `./${tarball}`], { cwd: consumer });
  installed = join(consumer, "node_modules/user-service");
}, 60_000);
afterAll(() => rm(consumer, { recursive: true, force: true }));

test("the package contains only the types and `call`, and has no dependencies", async () => {
  const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  expect(manifest).not.toHaveProperty("dependencies");
  expect(manifest).not.toHaveProperty("optionalDependencies");
  expect(manifest.peerDependenciesMeta).toEqual({ moleculer: { optional: true } });
  expect((await readdir(join(consumer, "node_modules"))).filter((name) => !name.startsWith("."))).toEqual([
    "user-service",
  ]);
  const files = await readdir(installed);
  expect(files.sort()).toEqual([
    "contracts.d.mts",
    "contracts.d.ts",
    "contracts.js",
    "contracts.mjs",
    "package.json",
  ]);
  const sizes = await Promise.all(files.map(async (file) => (await readFile(join(installed, file))).length));
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(50_000);
});

/** TypeScript 7 has no `node10` any more: test/clients has it with TypeScript 5. */
const PROJECTS = [
  { resolution: "ESM (nodenext)", options: { module: "nodenext" }, type: "module" },
  { resolution: "CommonJS (node16)", options: { module: "node16" }, type: "commonjs" },
  { resolution: "a bundler", options: { module: "preserve" }, type: "module" },
];

test.each(PROJECTS)(
  "a project with neither Moleculer nor Node's types compiles against the package: $resolution",
  async ({ options, type }) => {
    const project = join(consumer, options.module);
    await mkdir(project);
    await cp(join(consumer, "plain.ts"), join(project, "plain.ts"));
    await writeFile(join(project, "package.json"), JSON.stringify({ type }));
    const compilerOptions = { target: "es2022", strict: true, types: [], noEmit: true, ...options };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    expect(await compile(["-p", project])).toEqual([]);
  },
);

test.each([
  ["ESM", "module", 'import { call } from "user-service/contracts";'],
  ["CommonJS", "commonjs", 'const { call } = require("user-service/contracts");'],
])("call runs in %s", async (_name, type, load) => {
  const program = `${load}
    const broker = { call: async (...args) => args };
    call(broker, "users.get", { id: "1" }).then((args) => console.log(JSON.stringify(args)));`;
  const { stdout } = await execute(process.execPath, [`--input-type=${type}`, "--eval", program], {
    cwd: consumer,
  });
  expect(JSON.parse(stdout)).toEqual(["users.get", { id: "1" }, {}]);
});

test("the types of the package equal those of the service", async () => {
  const file = join(consumer, "same.ts");
  const contracts = join(ROOT, "services/contracts.ts");
  const fields = join(ROOT, "lib/contract/fields.ts");
  const ingest = join(ROOT, "services/ingest/ingest.contract.ts");
  await writeFile(
    file,
    `import type * as ours from ${JSON.stringify(contracts)};
     import type { InferAll } from ${JSON.stringify(fields)};
     import type { CONSUMED_EVENTS } from ${JSON.stringify(ingest)};
     import type * as theirs from "user-service/contracts";
     type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
     type Streams = "avatars.get" | "users.export"; // Readable on our side
     type Consumed = { [Type in keyof typeof CONSUMED_EVENTS]: InferAll<(typeof CONSUMED_EVENTS)[Type]["data"]> };
     export const same: [
       Same<keyof ours.Actions, keyof theirs.Actions>,
       Same<Omit<ours.Actions, Streams>, Omit<theirs.Actions, Streams>>,
       Same<ours.Actions[Streams]["params"], theirs.Actions[Streams]["params"]>,
       Same<ours.Events, theirs.Events>,
       Same<ours.Envelope<"user.updated">, theirs.Envelope<"user.updated">>,
       Same<Consumed, theirs.ConsumedEvents>,
     ] = [true, true, true, true, true, true];
     export const stream = (bytes: NonNullable<ours.Actions[Streams]["result"]>): NonNullable<theirs.Actions[Streams]["result"]> => bytes;`,
  );
  const { compilerOptions } = JSON.parse(await readFile(join(ROOT, "tsconfig.json"), "utf8"));
  const options = {
    ...compilerOptions,
    rewriteRelativeImportExtensions: false,
    rootDir: "/",
    typeRoots: [join(ROOT, "node_modules/@types")],
  };
  const config = join(consumer, "same.json");
  const moleculer = join(ROOT, "lib/contract/moleculer.d.ts");
  await writeFile(config, JSON.stringify({ compilerOptions: options, files: [file, moleculer] }));
  expect(await compile(["-p", config])).toEqual([]);
});

describe("a project with Moleculer", () => {
  beforeAll(async () => {
    for (const name of ["moleculer", "@types"])
      await symlink(join(ROOT, "node_modules", name), join(consumer, "node_modules", name));
  });

  test("compiles against the package if it has no mistakes", async () => {
    expect(await compile(["-p", "tsconfig.json"])).toEqual([]);
  });

  test("gets a compiler error for each wrong name and param", async () => {
    const file = join(consumer, "wrong.ts");
    const source = await readFile(file, "utf8");
    const mistakes = source.match(/@ts-expect-error/g) ?? [];
    await writeFile(file, source.replaceAll("@ts-expect-error", "expected"));
    const faults = await compile(["-p", "tsconfig.json"]);
    expect(faults.filter((fault) => fault.includes("wrong.ts"))).toHaveLength(mistakes.length);
    expect(faults).toHaveLength(mistakes.length);
  });
});
