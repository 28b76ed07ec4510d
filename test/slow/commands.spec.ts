import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { COMPILE_CACHE } from "../helpers/process.ts";

const run = promisify(execFile);
let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
});
afterAll(() => database.drop());

/** Runs an operator command in production, with these variables only. */
const command = (words: string, env: Record<string, string>) =>
  run(process.execPath, ["cli/run.js", ...words.split(" ")], {
    env: { NODE_ENV: "production", NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
  });

describe("in production, an operator command needs only the variables that it uses:", () => {
  test.each([
    ["migration up", /create-users/],
    ["migration down", /^2\d+\.\d+/],
    ["dlq list", /^There is no dead letter$/m],
    ["outbox list", /^No record is set aside$/m],
  ])("%s needs only DATABASE_*", async (words, printed) => {
    expect((await command(words, database.env)).stdout).toMatch(printed);
  });

  test.each([
    ["migration up", "DATABASE_HOST"],
    ["dlq list", "DATABASE_HOST"],
    ["outbox list", "DATABASE_HOST"],
    ["seed/seed", "DATABASE_HOST"],
    ["repl", "KAFKA_BROKERS"],
  ])("%s without it fails with one line that names %s", async (words, name) => {
    const failed = { code: 1, stdout: "", stderr: expect.stringMatching(new RegExp(`^${name}: [^\n]+\n$`)) };
    await expect(command(words, {})).rejects.toMatchObject(failed);
  });
});

test.each([
  [
    "migration up",
    "another password",
    { DATABASE_PASSWORD: "hunter2" },
    "DATABASE_USER, DATABASE_PASSWORD: ",
  ],
  ["dlq list", "another password", { DATABASE_PASSWORD: "hunter2" }, "DATABASE_USER, DATABASE_PASSWORD: "],
  ["outbox list", "another database", { DATABASE_NAME: "nowhere" }, "DATABASE_NAME: "],
  ["dlq list", "no tables", { DATABASE_SCHEMA: "empty" }, 'relation "dead_letters" does not exist'],
])("%s with %s fails with one line that names the cause", async (words, _, env, line) => {
  const failed = { code: 1, stderr: expect.stringMatching(new RegExp(`^${line}[^\n]*\n$`)) };
  await expect(command(words, { ...database.env, ...env })).rejects.toMatchObject(failed);
});

test("migration grants needs no variables, and prints SQL with the quoted name of the role", async () => {
  const { stdout } = await command('migration grants my"role', {});
  expect(stdout).toContain('GRANT USAGE ON SCHEMA user_service TO "my""role";\n');
  await expect(command("migration grants", {})).rejects.toMatchObject({
    stderr: expect.stringMatching(/^Usage: /),
  });
});
