import { readFileSync } from "node:fs";
import { ConfigError } from "./config-error.ts";

/**
 * Reads a secret from its variable, or from the file that `<name>_FILE` names, as Docker and Kubernetes mount them.
 *
 * @returns the secret, trimmed; undefined or empty if neither is set
 * @throws ConfigError if both are set, or if the file is empty or cannot be read
 */
export function readSecret(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim();
  const file = env[`${name}_FILE`]?.trim();
  if (!file) return value;
  if (value) throw new ConfigError(`${name}: is set, and so is ${name}_FILE; allowed: one of them`);
  return contentOf(file, `${name}_FILE`);
}

function contentOf(file: string, name: string): string {
  const refuse = (fault: string) =>
    new ConfigError(`${name}: ${JSON.stringify(file)} ${fault}; allowed: a file that contains the secret`);
  let content: string;
  try {
    content = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw refuse(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!content) throw refuse("is empty");
  return content;
}
