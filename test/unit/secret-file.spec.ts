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

/** The values of an environment, or the message with which it is refused. */
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
  "a variable whose name ends in %s or in that and _KEY is a secret",
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

test.each(secrets)("%s has the same value from a file as from the variable", (name) => {
  expect(outcomeOf({ [`${name}_FILE`]: fileWith(SECRET) })).toEqual(outcomeOf({ [name]: SECRET }));
  expect(outcomeOf({ [name]: SECRET, [`${name}_FILE`]: "" })).toEqual(outcomeOf({ [name]: SECRET }));
});

test.each(secrets)(
  "%s together with its _FILE is refused in one line, which does not contain the secret",
  (name) => {
    expect(outcomeOf({ [name]: SECRET, [`${name}_FILE`]: fileWith(SECRET) })).toBe(
      `${name}: is set, and so is ${name}_FILE; allowed: one of them`,
    );
  },
);

test.each(secrets)(
  "%s_FILE is refused in one line that names it, if the file is missing, empty or a folder",
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

test("a variable that is not a secret is not read from a file", () => {
  for (const name of names.filter((name) => !isSecret(name)))
    expect(readEnvironment({ [`${name}_FILE`]: fileWith("1") })).toEqual(readEnvironment({}));
});

test("a secret from a file is checked like the variable, and the message does not contain it", () => {
  expect(outcomeOf({ INTERNAL_TOKEN_FILE: fileWith("hunter2") })).toBe(
    "INTERNAL_TOKEN: its value is not valid; allowed: at least 32 characters",
  );
});
