import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "@jest/globals";
import { readEnvironment, VARIABLES } from "../../lib/runtime/environment.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");

/** The rows of all tables of a page, as cells. */
const rowsOf = (page: string): string[][] =>
  page.split("\n").flatMap((line) => {
    const cells = line.startsWith("| ") ? line.split("|").slice(1, -1) : [];
    return cells.length > 0 ? [cells.map((cell) => cell.trim())] : [];
  });

const variables = Object.entries(VARIABLES).map(([name, { fallback, allowed }]) => ({
  name,
  fallback: fallback === undefined ? "" : String(fallback),
  allowed,
}));

test("docs/configuration.md lists every variable, its default and its allowed values", () => {
  const listed = rowsOf(read("docs/configuration.md"))
    .filter(([first = ""]) => /^`[A-Z_]+`$/.test(first))
    .map(([name = "", fallback = "", allowed]) => ({
      name: name.replaceAll("`", ""),
      fallback: fallback.replace(/^–$/, "").replaceAll("`", ""),
      allowed,
    }));
  expect(sorted(listed)).toEqual(sorted(variables));
});

test(".env.example lists every variable with its default, or with a valid example", () => {
  const example = parseEnv(read(".env.example")) as Record<string, string>;
  expect(Object.keys(example).sort()).toEqual(Object.keys(VARIABLES).sort());
  expect(() => readEnvironment(example)).not.toThrow();
  for (const { name, fallback } of variables)
    if (fallback) expect([name, example[name]]).toEqual([name, fallback]);
});

const sorted = (list: { name: string }[]) => list.toSorted((a, b) => a.name.localeCompare(b.name));

test("ARCHITECTURE.md names every dependency", () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read("package.json")) as Record<
    string,
    Record<string, string>
  >;
  const table = read("ARCHITECTURE.md").split("## Dependencies")[1] ?? "";
  const listed = rowsOf(table).flatMap(([names = ""]) => names.split(/[, ]+/));
  const covers = (entry: string, name: string) =>
    entry.endsWith("*") ? name.startsWith(entry.replace(/\\?\*$/, "")) : entry === name;
  const used = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  expect(used.filter((name) => !listed.some((entry) => covers(entry, name)))).toEqual([]);
});
