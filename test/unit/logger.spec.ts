import { expect, test } from "@jest/globals";
import type { LogFn, Logger } from "pino";
import { keepArguments } from "../../lib/runtime/logger.ts";

/** The arguments that pino receives if a module of Moleculer logs `args`. */
function logged(...args: unknown[]): unknown[] {
  const given: unknown[] = [];
  const log = (...some: unknown[]) => void given.push(...some);
  keepArguments.call({} as Logger, args as Parameters<LogFn>, log as LogFn);
  return given;
}

const error = new Error("It broke");

test.each([
  { args: ["Text"], given: [{}, "Text"] },
  { args: ["Invalid packet. Type:", "INFO", error], given: [{ err: error }, "Invalid packet. Type: INFO"] },
  { args: ["Topics are missing", ["a", "b"], 3], given: [{}, "Topics are missing a b 3"] },
  { args: ["Unable to connect", { email: "anna@example.com" }], given: [{}, "Unable to connect"] },
  { args: ["%s of %s", 1, 2], given: ["%s of %s", 1, 2] },
  { args: [error], given: [error] },
  { args: [{ action: "x" }, "Text"], given: [{ action: "x" }, "Text"] },
])(
  "of the arguments $args that Moleculer logs, texts, numbers and errors are kept, and objects are dropped",
  ({ args, given }) => {
    expect(logged(...args)).toEqual(given);
  },
);
