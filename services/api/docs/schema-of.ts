import type { JsonSchema } from "../../../lib/contract/fields.ts";

/** JSON Schemas of what the service tells, written as data and held against its types by the compiler. */

type TypeName<Value> = Value extends string ? "string" : Value extends number ? "integer" : "boolean";

type Described<Value> = [NonNullable<Value>] extends [readonly (infer Item)[]]
  ? { type: "array"; items: SchemaOf<Item> }
  : [NonNullable<Value>] extends [object]
    ? { type: "object"; properties: Properties<NonNullable<Value>> }
    : { type: TypeName<NonNullable<Value>> | (TypeName<NonNullable<Value>> | "null")[] };

type Properties<Value extends object> = { [Key in keyof Value]-?: SchemaOf<Value[Key]> };

/** A schema whose fields and their kinds are those of the type. */
export type SchemaOf<Value> = JsonSchema & (Described<Value> | { $ref: string });

/** An object with these fields and no others; those of `optional` may be missing. */
export const object = <Value extends object>(
  properties: Properties<Value>,
  { optional = [] }: { optional?: (keyof Value)[] } = {},
) => ({
  type: "object" as const,
  properties,
  required: (Object.keys(properties) as (keyof Value)[]).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

/** The same, with any field left out. */
export const partial = <Value extends object>(properties: Properties<Value>) => ({
  ...object<Value>(properties),
  required: [],
});

export const text = { type: "string" as const };
export const textOrNull = { type: ["string" as const, "null" as const] };
export const uuid = { ...text, format: "uuid" };
export const time = { ...text, format: "date-time" };
export const url = { ...text, format: "uri" };
export const count = { type: "integer" as const, minimum: 0 };
export const flag = { type: "boolean" as const };
