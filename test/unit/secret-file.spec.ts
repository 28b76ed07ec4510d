import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { ConfigError } from "../../lib/config/config-error.ts";
import { readEnvironment, VARIABLES, type Values } from "../../lib/config/environment.ts";

const folder = mkdtempSync(join(tmpdir(), "user-service-secrets-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(content: string): string {
  const file = join(folder, "secret");
  writeFileSync(file, content);
  return file;
}

/** The values that an environment has, or the message if it is refused. */
function outcomeOf(env: NodeJS.ProcessEnv): Values | string {
  try {
    return readEnvironment(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const SECRET = "a secret of 32 characters or more";
const names = Object.keys(VARIABLES) as (keyof Values)[];
const isSecret = (name: keyof Values) => "secret" in VARIABLES[name];
const secrets = names.filter(isSecret);

test.each(["PASSWORD", "SECRET", "TOKEN"])(
  "a variable named …%s, with or without _KEY, is a secret",
  (word) => {
    const named = names.filter((name) => new RegExp(`${word}(_KEY)?$`).test(name));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !isSecret(name))).toEqual([]);
  },
);

test.each([SECRET, `${SECRET}\n`, `${SECRET}\r\n`])(
  "the secret is read from a file that contains %j",
  (content) => {
    expect(readEnvironment({ INTERNAL_TOKEN_FILE: fileWith(content) }).INTERNAL_TOKEN).toBe(SECRET);
  },
);

test.each(secrets)("%s is the same in a file as in the variable", (name) => {
  expect(outcomeOf({ [`${name}_FILE`]: fileWith(SECRET) })).toEqual(outcomeOf({ [name]: SECRET }));
  expect(outcomeOf({ [name]: SECRET, [`${name}_FILE`]: "" })).toEqual(outcomeOf({ [name]: SECRET }));
});

test.each(secrets)("%s and its _FILE together are refused, in a line without the secret", (name) => {
  expect(outcomeOf({ [name]: SECRET, [`${name}_FILE`]: fileWith(SECRET) })).toBe(
    `${name}: is set, and so is ${name}_FILE; allowed: one of them`,
  );
});

test.each(secrets)(
  "%s_FILE that is missing, empty or a folder is refused, in a line that names it",
  (name) => {
    for (const [file, fault] of [
      [join(folder, "missing"), "cannot be read (ENOENT)"],
      [folder, "cannot be read (EISDIR)"],
      [fileWith("\n"), "is empty"],
    ] as const)
      expect(outcomeOf({ [`${name}_FILE`]: file })).toBe(
        `${name}_FILE: ${JSON.stringify(file)} ${fault}; allowed: a file that contains the secret`,
      );
  },
);

test("a variable that is no secret is not read from a file", () => {
  for (const name of names.filter((name) => !isSecret(name)))
    expect(readEnvironment({ [`${name}_FILE`]: fileWith("1") })).toEqual(readEnvironment({}));
});

test("a secret in a file is checked as in the variable, and is not in the message", () => {
  expect(outcomeOf({ INTERNAL_TOKEN_FILE: fileWith("hunter2") })).toBe(
    "INTERNAL_TOKEN: its value is not valid; allowed: at least 32 characters",
  );
});
