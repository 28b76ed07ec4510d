import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { config, demandParts } from "../lib/config/config.ts";
import { closeDatabase, locateDatabase } from "../lib/postgres/open-database.ts";
import { grantsFor } from "../lib/postgres/role.ts";
import { migrateDown, migrateUp } from "../migrations/migrate.ts";
import { fail } from "./fail.ts";

/** `npm run migration:run`, `migration:revert`, `migration:generate -- Name` (contract 11) and `migration:grants -- ROLE`. */

const TEMPLATE = `import type { Migration } from "./migrate.ts";

export const up: Migration = ({ context: { sql } }) => sql("");

export const down: Migration = ({ context: { sql } }) => sql("");
`;

/** Creates a migration, named by the current time (UTC) and its purpose. Returns its path. */
async function generate(name = "migration"): Promise<string> {
  const moment = new Date().toISOString().slice(0, 19).replace(/[-:]/g, ".");
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").replace(/[^a-zA-Z0-9]+/g, "-");
  const path = join("migrations", `${moment}.${words.toLowerCase()}.ts`);
  await writeFile(path, TEMPLATE, { flag: "wx" });
  return path;
}

/** Migrates the database that the service would use, including the embedded one. */
async function migrate(work: typeof migrateUp): Promise<string[]> {
  demandParts("database");
  try {
    return await work(await locateDatabase());
  } finally {
    await closeDatabase();
  }
}

/** The SQL that the role which migrates must run for the role that the service connects as. */
async function grants(role?: string): Promise<string[]> {
  if (!role) throw new Error("Usage: npm run migration:grants -- ROLE");
  return grantsFor(role, config.database.name, config.database.schema).map((sql) => `${sql};`);
}

const COMMANDS: Record<string, (argument?: string) => Promise<string | string[]>> = {
  up: () => migrate(migrateUp),
  down: () => migrate(migrateDown),
  generate,
  grants,
};

const [command = "", argument] = process.argv.slice(2);
try {
  const done = [(await COMMANDS[command]?.(argument)) ?? []].flat();
  console.log(done.length > 0 ? done.join("\n") : "Nothing to do");
} catch (error) {
  fail(error);
}
