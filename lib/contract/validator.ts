import { Validators } from "moleculer";
import { DETAILS_MAX } from "./errors.ts";
import type { FieldError } from "./failures.ts";

/**
 * Validation options for actions' params and for consumed events. Null is a value: each field declares whether it
 * accepts it.
 */
const VALIDATOR_OPTIONS = {
  useNewCustomCheckerFunction: true,
  considerNullAsAValue: true,
  messages: {
    required: "is required",
    string: "must be a string",
    number: "must be a number",
    numberInteger: "must be an integer",
    numberMin: "must be at least {expected}",
    numberMax: "must be at most {expected}",
    boolean: "must be true or false",
    object: "must be an object",
    array: "must be a list",
    arrayMax: "must have at most {expected} entries",
    date: "must be an ISO 8601 date",
    enumValue: "must be one of {expected}",
  },
};

/** An error as fastest-validator returns it. */
export type RuleError = { type: string; field?: string; message?: string; actual?: unknown };

/**
 * Converts fastest-validator's errors to the form of contract 3, one for each unknown field. The offending values are
 * left out, as they may be personal data.
 */
export function toDetails(errors: RuleError[]): FieldError[] {
  return errors.flatMap(({ type, field = "", message = "is not valid", actual }) => {
    const path = field.replaceAll(/\[(\d+)\]/g, ".$1"); // the validator's own form of an index
    if (type !== "objectStrict") return [{ field: path, message }];
    const prefix = path ? `${path}.` : "";
    return String(actual)
      .split(", ", DETAILS_MAX)
      .map((name) => ({ field: prefix + name.slice(0, 100), message: "is not a known field" }));
  });
}

/** fastest-validator, as the broker uses it. */
export const validator = new Validators.Fastest(VALIDATOR_OPTIONS);

/** Compiles rules. The check normalizes a value in place, and returns what is wrong with it. */
export function compileCheck(rules: object): (value: object) => FieldError[] {
  const check = validator.compile(rules);
  return (value) => {
    const errors: unknown = check(value as Record<string, unknown>);
    return Array.isArray(errors) ? toDetails(errors) : [];
  };
}
