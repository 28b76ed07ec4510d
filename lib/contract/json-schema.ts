import type { Field, Fields, JsonSchema } from "./fields.ts";

export type { JsonSchema };

/** Returns the reference to a named schema in a document, or undefined to write the schema inline. */
type Refer = (name: string) => string | undefined;
const inline: Refer = () => undefined;

/** The types that JSON Schema calls otherwise. */
const SCHEMA_TYPES: Record<string, string> = { enum: "string", record: "object" };

/**
 * A field as JSON Schema. A value of any of several types has no type there, because generators make a class of it that
 * is hard to use. `refer` returns the reference to a named schema if the document has it. */
export function toJsonSchema(field: Field, refer = inline): JsonSchema {
  const address = typeof field.schemaName === "string" ? refer(field.schemaName) : undefined;
  if (address) return { $ref: address };
  const type = field.integer ? "integer" : (SCHEMA_TYPES[field.type] ?? field.type);
  return {
    ...(!field.rules && { type: field.nullable ? [type, "null"] : type }),
    ...(field.integer !== undefined && Number(field.max) > MAX_INT32 && { format: "int64" }),
    ...(field.values !== undefined && {
      enum: field.nullable ? [...(field.values as string[]), null] : field.values,
    }),
    ...(field.min !== undefined && { minimum: field.min }),
    ...(field.max !== undefined && { [field.items ? "maxItems" : "maximum"]: field.max }),
    ...(field.props !== undefined && toObjectSchema(field.props as Fields, refer)),
    ...(field.items !== undefined && { items: toJsonSchema(field.items as Field, refer) }),
    ...(field.value !== undefined && { additionalProperties: toJsonSchema(field.value as Field, refer) }),
    ...(field.default !== undefined && { default: field.default }),
    ...field.schema,
  };
}

/** Code generators use 32-bit integers unless the document says otherwise. */
const MAX_INT32 = 2 ** 31 - 1;

/** An object of exactly these fields, as JSON Schema. */
export function toObjectSchema(fields: Fields, refer = inline): JsonSchema {
  const isRequired = (field: Field) => !field.optional && field.default === undefined;
  const required = Object.entries(fields)
    .filter(([, field]) => isRequired(field))
    .map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, toJsonSchema(field, refer)]),
    ),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}
