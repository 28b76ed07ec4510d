import type { RuleError } from "./validator.ts";

/**
 * Builders of validation rules for the fields that several schemas share (SPEC 4). A rule must not stand twice in one
 * schema: fastest-validator takes the second for a recursion and skips its check. So build it anew for each field.
 */

export type Rule = {
  type: string;
  /** What `custom` demands, in the words of JSON Schema (toJsonSchema). */
  schema?: JsonSchema;
  [option: string]: unknown;
};
type Check = (value: unknown, errors: RuleError[]) => unknown;

/** A rule of our own: `check` returns the value to use, or the fault as a Fault. */
class Fault {
  message: string;
  constructor(message: string) {
    this.message = message;
  }
}
/** Says that a value is not valid, and why. */
export const fault = (message: string): Fault => new Fault(message);

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

/** The same field, which may be left out; null stays refused where it was. */
export const optional = (rule: Rule): Rule => ({ ...rule, optional: true });

/** PostgreSQL's text takes no NUL, and UTF-8 no lone surrogate (SPEC 4). */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Trims, and checks the length in code points. Returns the text to store, or the fault. */
function trimmed(value: string, min: number, max: number): string | Fault {
  if (!isStorable(value)) return fault("must not hold NUL or lone surrogates");
  const text = value.trim();
  const { length } = [...text];
  if (length < min) return fault(min === 1 ? "must not be empty" : `must have at least ${min} characters`);
  return length > max ? fault(`must have at most ${max} characters`) : text;
}

/** A text of `min` … `max` code points after trimming. */
export const text = (min: number, max: number): Rule =>
  required({ minLength: min, maxLength: max }, (value) => trimmed(value, min, max));

/** A text that may be left out or null; `""` is null. `convert` gets the text to store last. */
export const optionalText = (max: number, convert = (value: string) => value): Rule => ({
  type: "string",
  optional: true,
  nullable: true,
  schema: { maxLength: max },
  custom: checked((value) => {
    const text = trimmed(value, 0, max);
    return text instanceof Fault ? text : text === "" ? null : convert(text);
  }),
});

/** A text that a function turns into its canonical form, or finds fault with. `schema` says what form that is. */
export const canonicalText = (
  max: number,
  schema: JsonSchema,
  canonical: (value: string) => string | Fault,
): Rule =>
  required({ minLength: 1, maxLength: max, ...schema }, (value) => {
    const text = trimmed(value, 1, max);
    return text instanceof Fault ? text : canonical(text);
  });

const EMAIL = /^[^\s@"(),:;<>[\\\]]+@[^\s@"(),:;<>[\\\].]+(\.[^\s@"(),:;<>[\\\].]+)+$/u;

/** An e-mail, kept as given: it is compared in lower case (SPEC 4). */
export const email = (): Rule =>
  canonicalText(255, { format: "email" }, (value) =>
    EMAIL.test(value) ? value : fault("must be an e-mail address"),
  );

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
