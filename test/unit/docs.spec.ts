import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { readEnvironment, VARIABLES } from "../../lib/config/environment.ts";
import { SESSION, setOf } from "../../models/session.ts";
import { OFFERED, PUBLISHED, REST_ACTIONS } from "../../services/contracts.ts";
import { CONSUMED_EVENTS } from "../../services/ingest/ingest.contract.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const pages = globSync(["*.md", "{docs,examples}/*.md"], { cwd: ROOT });

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

test("docs/configuration.md lists the secrets that can be read from files", () => {
  const [, list = ""] = /These variables have a `_FILE`: (.*?)\./.exec(read("docs/configuration.md")) ?? [];
  const secrets = Object.entries<{ secret?: true }>(VARIABLES).filter(([, { secret }]) => secret);
  expect(list.split(", ")).toEqual(secrets.map(([name]) => `\`${name}\``));
});

test(".env.example lists every variable with its default, or with a valid example", () => {
  const example = parseEnv(read(".env.example")) as Record<string, string>;
  expect(Object.keys(example).sort()).toEqual(Object.keys(VARIABLES).sort());
  expect(() => readEnvironment(example)).not.toThrow();
  for (const { name, fallback } of variables)
    if (fallback) expect([name, example[name]]).toEqual([name, fallback]);
});

test("docs/postgresql.md lists every session setting that a role needs", () => {
  for (const setting of SESSION)
    expect(read("docs/postgresql.md")).toContain(
      `ALTER ROLE "app" IN DATABASE "ai_video_interview" ${setOf(setting)};`,
    );
});

const sorted = (list: { name: string }[]) => list.toSorted((a, b) => a.name.localeCompare(b.name));

test("ARCHITECTURE.md lists exactly the dependencies of package.json", () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read("package.json")) as Record<
    string,
    Record<string, string>
  >;
  const table = read("ARCHITECTURE.md").split("## Dependencies")[1] ?? "";
  const listed = rowsOf(table.split("|---|---|")[1] ?? "").flatMap(([names = ""]) => names.split(", "));
  const used = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  expect(listed.sort()).toEqual(used.sort());
});

test("each test name that CONTRIBUTING.md passes to -t exists", () => {
  const examples = [...read("CONTRIBUTING.md").matchAll(/`npm test -- (\S+) -t "([^"]+)"`/g)];
  expect(examples.length).toBeGreaterThan(0);
  for (const [, file = "", name = ""] of examples) expect(read(file)).toContain(name);
});

/** A section of the contract, with its heading. */
const section = (number: number) =>
  read("docs/contract.md")
    .split(/^(?=## )/m)
    .find((part) => part.startsWith(`## ${number}. `)) ?? "";

test("README.md and the contract list every route", () => {
  const routes = REST_ACTIONS.map(([, { rest = "" }]) => rest);
  const cells = rowsOf(read("README.md")).map(([cell = ""]) => cell);
  const inReadme = (route: string) => {
    const [method, path] = route.split(" ");
    return cells.some((cell) => cell.includes(`\`${method}`) && cell.includes(`${path}\``));
  };
  expect(routes.filter((route) => !inReadme(route))).toEqual([]);
  const inContract = (route: string) =>
    read("docs/contract.md").includes(`\`${route.replace(" ", " /api/v1")}\``);
  expect(routes.filter((route) => !inContract(route))).toEqual([]);
});

test("section 12 of the contract has every action that other services can call", () => {
  const rows = rowsOf(section(12));
  const isListed = ([service, action]: string[]) =>
    rows.some(([name, list]) => name === `\`${service}\`` && list?.match(`\`${action}[ \`]`));
  expect(OFFERED.map(([name]) => name).filter((name) => !isListed(name.split(".")))).toEqual([]);
});

test.each([
  ["README.md", read("README.md")],
  ["section 7 of the contract", section(7)],
])("%s names every event", (_, text) => {
  const types = Object.keys({ ...PUBLISHED, ...CONSUMED_EVENTS });
  expect(types.filter((type) => !text.includes(`\`${type}\``))).toEqual([]);
});

test("the tables that CONTRIBUTING.md names are in the tests", () => {
  const tables = rowsOf(read("CONTRIBUTING.md")).flatMap(([file = "", what = ""]) => {
    const [, name] = /^`([A-Z]+)`/.exec(what) ?? [];
    return name ? [{ path: `test/${file.replaceAll("`", "")}`, name }] : [];
  });
  expect(tables.length).toBeGreaterThan(4);
  for (const { path, name } of tables) expect(read(path)).toContain(`const ${name}`);
});

describe.each(pages)("%s names", (page) => {
  const text = read(page);

  test("links that lead to files", () => {
    const links = [...text.matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)].map(([, target = ""]) => target);
    expect(links.filter((target) => !exists(join(dirname(page), target)))).toEqual([]);
  });

  test("paths that exist", () => {
    const paths = [...text.matchAll(/`((?:[\w.*-]+\/)+[\w.*-]*)`/g)].map(([, path = ""]) => path);
    const ours = paths.filter(
      (path) => exists(path.split("/")[0] ?? "") && !/^(dist|node_modules)\//.test(path),
    );
    expect(ours.filter((path) => !exists(path))).toEqual([]);
  });

  test("npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !(script.replace(/:$/, "") in scripts))).toEqual([]);
  });
});

const exists = (path: string) => globSync(path, { cwd: ROOT }).length > 0;
