import type { Readable } from "node:stream";
import { toEmailAddress } from "./formats/email-address.ts";
import { Fault, type Format, fault } from "./formats/fault.ts";
import type { RuleError } from "./validator.ts";

/**
 * The fields that contracts consist of. A field is declared once, as the rule that fastest-validator checks; its
 * TypeScript type and its JSON Schema (json-schema.ts) are derived from it.
 */

declare const TYPES: unique symbol;

/** A schema in JSON Schema 2020-12, which OpenAPI 3.1 and AsyncAPI 3.0 use. */
export type JsonSchema = { [keyword: string]: unknown };

/** `Value` is the type after validation, `Given` the type that a caller passes. */
export type Field<Value = unknown, Given = Value> = {
  type: string;
  /** JSON Schema keywords for what the rule does not express. */
  schema?: JsonSchema;
  optional?: boolean;
  nullable?: boolean;
  default?: unknown;
  [option: string]: unknown;
  readonly [TYPES]?: { value: Value; given: Given };
};
export type Fields = Record<string, Field>;

type Simplify<Type> = { [Key in keyof Type]: Type[Key] } & {};
/** Makes the properties that may be undefined optional. */
type Shape<Types> = Simplify<
  { [Key in keyof Types as undefined extends Types[Key] ? never : Key]: Types[Key] } & {
    [Key in keyof Types as undefined extends Types[Key] ? Key : never]?: Types[Key];
  }
>;
type Types<Of> = NonNullable<Of extends { readonly [TYPES]?: infer Both } ? Both : never>;

/** The type of a field after validation. */
export type Infer<Of extends Field> = (Types<Of> & { value: unknown })["value"];
/** The type that a caller passes for a field. */
type InferGiven<Of extends Field> = (Types<Of> & { given: unknown })["given"];
/** The same for an object of fields. */
export type InferAll<Of extends Fields> = Shape<{ [Key in keyof Of]: Infer<Of[Key]> }>;
export type InferAllGiven<Of extends Fields> = Shape<{ [Key in keyof Of]: InferGiven<Of[Key]> }>;

export type Check = (value: unknown, errors: RuleError[]) => unknown;

const checked =
  (check: (value: string) => unknown): Check =>
  (value, errors) => {
    if (typeof value !== "string") return value; // null or missing, or already refused
    const result = check(value);
    if (!(result instanceof Fault)) return result;
    errors.push({ type: "custom", message: result.message });
    return value;
  };

const required = (schema: JsonSchema, check: (value: string) => unknown): Field<string> => ({
  type: "string",
  nullable: false,
  schema,
  custom: checked(check),
});

/** The same field, but optional. Null stays refused if it was. */
export const optional = <Value, Given>(
  field: Field<Value, Given>,
): Field<Value | undefined, Given | undefined> =>
  ({ ...field, optional: true }) as Field<Value | undefined, Given | undefined>;

/** The same field, but optional with a default value. */
export const withDefault = <Value, Given>(
  field: Field<Value, Given>,
  value: Value,
): Field<Value, Given | undefined> => ({ ...field, default: value }) as Field<Value, Given | undefined>;

/** The same field, but nullable. */
export const nullable = <Value>(field: Field<Value>): Field<Value | null> =>
  ({ ...field, nullable: true }) as Field<Value | null>;

/** The same fields, all optional. */
export const partial = <Of extends Fields>(fields: Of) =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, optional(field)])) as {
    [Key in keyof Of]: Field<Infer<Of[Key]> | undefined>;
  };

/** The same fields as they are in results, or in params that must be given: an optional one is null instead of missing. */
export const asResult = <Of extends Fields>(fields: Of) =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, { ...field, optional: false }]),
  ) as {
    [Key in keyof Of]: Field<Exclude<Infer<Of[Key]>, undefined>>;
  };

/** The same field with a description for the documents. */
export const described = <Value, Given>(
  description: string,
  field: Field<Value, Given>,
): Field<Value, Given> => ({ ...field, schema: { ...field.schema, description } });

/** PostgreSQL cannot store NUL in a text, and UTF-8 cannot encode lone surrogates (contract 4). */
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
export const text = (min: number, max: number, format = asGiven, schema: JsonSchema = {}): Field<string> =>
  required({ minLength: min, maxLength: max, ...schema }, (value) => {
    const text = trimmed(value, min, max);
    return text instanceof Fault ? text : format(text);
  });

/** A text that may be missing or null, in a format; `""` becomes null. */
export const optionalText = (max: number, format = asGiven): Field<string | null | undefined> => ({
  type: "string",
  optional: true,
  nullable: true,
  schema: { maxLength: max },
  custom: checked((value) => {
    const text = trimmed(value, 0, max);
    return text instanceof Fault ? text : text === "" ? null : format(text);
  }),
});

/** An e-mail address as given; it is compared by `emailKey` (contract 4). */
export const email = (): Field<string> => text(1, 255, toEmailAddress, { format: "email" });

/** A UUID (RFC 9562) of any version. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID, converted to lower case: a user then has one id everywhere, also as a key in memory. */
export const uuid = (): Field<string> =>
  required({ format: "uuid" }, (value) => (UUID.test(value) ? value.toLowerCase() : fault("must be a UUID")));

/** An integer; `convert` also accepts digits from a query string. */
export const integer = (min: number, max: number, options: { convert?: boolean } = {}): Field<number> => ({
  type: "number",
  integer: true,
  nullable: false,
  min,
  max,
  ...options,
});

/** A count or a size in bytes. */
export const count = (): Field<number> => integer(0, Number.MAX_SAFE_INTEGER);

export const flag = (): Field<boolean> => ({ type: "boolean", nullable: false });

export const oneOf = <const Values extends readonly string[]>(values: Values): Field<Values[number]> => ({
  type: "enum",
  nullable: false,
  values,
});

/** A text without restrictions, for results and events. */
export const anyText = (): Field<string> => ({ type: "string", nullable: false });

/** A time in a result: ISO 8601 in UTC, with milliseconds. */
export const time = (): Field<string> => ({
  type: "string",
  nullable: false,
  schema: { format: "date-time" },
});

export const url = (): Field<string> => ({ type: "string", nullable: false, schema: { format: "uri" } });

/** An image, returned by an action as a stream; null if the caller already has it. */
export const image = (): Field<Readable | null> => ({ type: "image" });

/** A result that an action returns as a stream of its JSON, because it may be large. */
export const streamed = ({ type, ...schema }: Field): Field<Readable> =>
  ({ type, ...schema, streamed: true }) as Field<Readable>;

/** An object of exactly these fields. `name` makes it a named schema in the documents. */
export const object = <Of extends Fields>(props: Of, name?: string): Field<InferAll<Of>, InferAllGiven<Of>> =>
  ({ type: "object", nullable: false, strict: true, props, ...(name && { schemaName: name }) }) as Field<
    InferAll<Of>,
    InferAllGiven<Of>
  >;

/**
 * The same result, which shows a user's row: its answers have the row's version as their ETag (contract 20).
 * @param also what the ETag adds to the version, if the result shows more than the row; "" for nothing
 */
export const versioned = <Of extends Field>(
  result: Of,
  also: (value: Infer<Of>) => string = () => "",
): Of => ({
  ...result,
  versioned: also,
});

/** The param of an action that changes a user only if the row has this version (contract 20). */
export const ifVersion = optional(described("Changes the user only if its row has this version", count()));

/** A list of at most `max` items, if it is limited. */
export const list = <Value>({ custom, ...items }: Field<Value>, max?: number): Field<Value[]> =>
  ({
    type: "array",
    nullable: false,
    items: { ...items, messages: { required: "must not contain null" } },
    max,
    ...(custom !== undefined && { custom: checkedEach(custom as Check, max) }),
  }) as Field<Value[]>;

/** Checks the format of each item. The validator itself would report a fault without the item's index. */
export const checkedEach =
  (check: Check, max?: number) =>
  (items: unknown, errors: RuleError[], _rule: unknown, name: string): unknown => {
    if (!Array.isArray(items)) return items;
    return items.slice(0, max).map((item, index) => {
      const faults: RuleError[] = [];
      const result = check(item, faults);
      for (const fault of faults) errors.push({ ...fault, field: `${name}.${index}` });
      return result;
    });
  };
