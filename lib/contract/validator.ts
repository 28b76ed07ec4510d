import untyped from "fastest-validator";
import { DETAILS_MAX } from "./errors.ts";
import type { FieldError } from "./failures.ts";

/** The package's types describe its ES build, but Node loads the CommonJS build, which exports the class itself. */
export const Validator = untyped as unknown as typeof untyped.default;

/**
 * Validation options for actions' params and for consumed events. Null is a value: each field declares whether it
 * accepts it.
 */
export const VALIDATOR_OPTIONS = {
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
