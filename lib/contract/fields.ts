import { toEmailAddress } from "./formats/email-address.ts";
import { Fault, type Format, fault } from "./formats/fault.ts";
import type { RuleError } from "./validator.ts";

/**
 * Builders of validation rules for the fields that several schemas share (contract 4). Build a new rule for each field:
 * fastest-validator takes the second use of one object for a recursion and skips its check.
 */

export type Rule = {
  type: string;
  /** What `custom` requires, as JSON Schema (toJsonSchema). */
  schema?: JsonSchema;
  [option: string]: unknown;
};
type Check = (value: unknown, errors: RuleError[]) => unknown;

const checked =
  (check: (value: string) => unknown): Check =>
  (value, errors) => {
    if (typeof value !== "string") return value; // null or missing, or refused already
    const result = check(value);
    if (!(result instanceof Fault)) return result;
    errors.push({ type: "custom", message: result.message });
    return value;
  };

const required = (schema: JsonSchema, check: (value: string) => unknown): Rule => ({
  type: "string",
  nullable: false,
  schema,
  custom: checked(check),
});

/** The same field, which may be left out. Whether it may be null does not change. */
export const optional = (rule: Rule): Rule => ({ ...rule, optional: true });

/** PostgreSQL's text takes no NUL, and UTF-8 no lone surrogate (contract 4). */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Trims, and checks the length in code points. Returns the text to store, or the fault. */
function trimmed(value: string, min: number, max: number): string | Fault {
  if (!isStorable(value)) return fault("must not contain NUL or lone surrogates");
  const text = value.trim();
  const { length } = [...text];
  if (length < min) return fault(min === 1 ? "must not be empty" : `must have at least ${min} characters`);
  return length > max ? fault(`must have at most ${max} characters`) : text;
}

const asGiven: Format = (value) => value;

/** A text of `min` … `max` code points after trimming, in a format. `schema` describes the format in JSON Schema. */
export const text = (min: number, max: number, format = asGiven, schema: JsonSchema = {}): Rule =>
  required({ minLength: min, maxLength: max, ...schema }, (value) => {
    const text = trimmed(value, min, max);
    return text instanceof Fault ? text : format(text);
  });

/** A text that may be left out or null, in a format; `""` is null. */
export const optionalText = (max: number, format = asGiven): Rule => ({
  type: "string",
  optional: true,
  nullable: true,
  schema: { maxLength: max },
  custom: checked((value) => {
    const text = trimmed(value, 0, max);
    return text instanceof Fault ? text : text === "" ? null : format(text);
  }),
});

/** An e-mail address, as given; `emailKey` is what it is compared by (contract 4). */
export const email = (): Rule => text(1, 255, toEmailAddress, { format: "email" });

/** The form of a UUID (RFC 9562), of any version. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID, in lower case, so that one user has one id as a key in memory too. */
export const uuid = (): Rule =>
  required({ format: "uuid" }, (value) => (UUID.test(value) ? value.toLowerCase() : fault("must be a UUID")));

/** An integer; `convert` takes digits from a query string too. */
export const integer = (min: number, max: number, options: { convert?: boolean } = {}): Rule => ({
  type: "number",
  integer: true,
  nullable: false,
  min,
  max,
  ...options,
});

export const flag = (): Rule => ({ type: "boolean", nullable: false });

/** An object without any other field than these. */
export const object = (props: Record<string, Rule>): Rule => ({
  type: "object",
  nullable: false,
  strict: true,
  props,
});

/** An action's params: these fields and no others. */
export const params = (props: Record<string, Rule>) => ({ ...props, $$strict: true });

/** A schema in the words of JSON Schema 2020-12, as OpenAPI 3.1 and AsyncAPI 3.0 take it. */
export type JsonSchema = { [keyword: string]: unknown };

/** What a rule demands, as JSON Schema. */
export function toJsonSchema({ schema, nullable, default: fallback, ...rule }: Rule): JsonSchema {
  const type = rule.integer ? "integer" : rule.type === "enum" ? "string" : rule.type;
  return {
    type: nullable ? [type, "null"] : type,
    ...(rule.values !== undefined && { enum: rule.values }),
    ...(rule.min !== undefined && { minimum: rule.min }),
    ...(rule.max !== undefined && { maximum: rule.max }),
    ...(rule.props !== undefined && toObjectSchema(rule.props as Record<string, Rule>)),
    ...(fallback !== undefined && { default: fallback }),
    ...schema,
  };
}

/** An object of these fields and no others. */
export function toObjectSchema(props: Record<string, Rule>): JsonSchema {
  const isRequired = (rule: Rule) => !rule.optional && rule.default === undefined;
  const fields = Object.entries(props);
  const required = fields.filter(([, rule]) => isRequired(rule)).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(fields.map(([name, rule]) => [name, toJsonSchema(rule)])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}
