import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = join(import.meta.dirname, "../..");
const SOURCES = "{services,mixins,models,lib,cli,migrations,contracts}/**/*.ts";
const ALLOWED = ["cli/repl.commands.ts", "moleculer.config.ts", "services/api/gateway-overrides.ts"];

test("the source has double casts only in the allowed files, for wrong types of libraries, one per file", async () => {
  const files = await Array.fromAsync(glob([SOURCES, "moleculer.config.ts"], { cwd: ROOT }));
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(ROOT, file), "utf8");
      return [...text.matchAll(/ as (unknown as|never\b(?! set))/g)].map(() => file);
    }),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(found.flat().sort()).toEqual(ALLOWED);
});
