import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

const ROOT = join(import.meta.dirname, "../..");
/** Another project, that has installed this one. */
let consumer: string;

/** The faults that the compiler finds, a line each. */
const compile = (...args: string[]): Promise<string[]> =>
  new Promise((resolve) =>
    execFile(join(ROOT, "node_modules/.bin/tsc"), args, { cwd: ROOT }, (_error, printed) =>
      resolve(printed.split("\n").filter((line) => line.includes("error TS"))),
    ),
  );

beforeAll(async () => {
  consumer = await mkdtemp(join(tmpdir(), "user-service-consumer-"));
  await cp(join(ROOT, "test/consumer"), consumer, { recursive: true });
  const installed = join(consumer, "node_modules/user-service");
  await mkdir(installed, { recursive: true });
  await cp(join(ROOT, "package.json"), join(installed, "package.json"));
  expect(await compile("-p", "tsconfig.build.json", "--outDir", join(installed, "dist"))).toEqual([]);
  for (const name of ["moleculer", "@types"])
    await symlink(join(ROOT, "node_modules", name), join(consumer, "node_modules", name));
}, 60_000);
afterAll(() => rm(consumer, { recursive: true, force: true }));

test("another project compiles against the built package, as long as it makes no mistake", async () => {
  expect(await compile("-p", consumer)).toEqual([]);
});

test("each wrong name and param is a fault", async () => {
  const file = join(consumer, "wrong.ts");
  const source = await readFile(file, "utf8");
  const mistakes = source.match(/@ts-expect-error/g) ?? [];
  await writeFile(file, source.replaceAll("@ts-expect-error", "expected"));
  const faults = await compile("-p", consumer);
  expect(faults.filter((fault) => fault.includes("wrong.ts"))).toHaveLength(mistakes.length);
  expect(faults).toHaveLength(mistakes.length);
});

test("the built package has the call as code", async () => {
  const { call } = await import(join(consumer, "node_modules/user-service/dist/services/contracts.js"));
  const asked: unknown[] = [];
  const broker = { call: async (...args: unknown[]) => asked.push(args) };
  await call(broker, "users.get", { id: "1" });
  expect(asked).toEqual([["users.get", { id: "1" }, {}]]);
});
