import type { Field, Fields } from "../lib/contract/fields.ts";

/** The types of fields as TypeScript text that imports nothing. */

/** `given`: what a caller passes. `value`: what an action returns or an event holds. */
export type Side = "given" | "value";

const PLAIN: Record<string, string> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  integer: "number",
  image: "ByteStream | null",
};

/** The type of a field. A named schema is shown by its name, if `named` has it. */
export function typeOf(field: Field, side: Side, named: readonly string[] = []): string {
  const type = bare(field, side, named);
  return field.nullable ? `${type} | null` : type;
}

function bare(field: Field, side: Side, named: readonly string[]): string {
  if (field.streamed) return "ByteStream";
  if (typeof field.schemaName === "string" && named.includes(field.schemaName)) return field.schemaName;
  if (field.props) return shapeOf(field.props as Fields, side, named);
  if (field.items) return `Array<${typeOf(field.items as Field, side, named)}>`;
  if (field.rules) return (field.rules as Field[]).map((rule) => typeOf(rule, side, named)).join(" | ");
  if (field.value) return `Record<string, ${typeOf(field.value as Field, side, named)}>`;
  if (field.values) return (field.values as string[]).map((value) => JSON.stringify(value)).join(" | ");
  const types = field.type === "any" ? [field.schema?.type].flat() : [field.type];
  return types.map(plain).join(" | ");
}

function plain(type: unknown): string {
  const text = PLAIN[String(type)];
  if (!text) throw new Error(`A field of type ${type} has no TypeScript type`);
  return text;
}

/** The type of an object of these fields. */
export function shapeOf(fields: Fields, side: Side, named: readonly string[] = []): string {
  const entries = Object.entries(fields).map(([name, field]) => {
    const isOptional = field.optional || (side === "given" && field.default !== undefined);
    return member(`${name}${isOptional ? "?" : ""}`, typeOf(field, side, named), field.schema?.description);
  });
  return entries.length > 0 ? block(entries) : "{}";
}

/** One member of an object type, with its description. */
export const member = (name: string, type: string, description?: unknown): string =>
  `${description ? `/** ${description} */\n` : ""}${name}: ${type};`;

/** An object type of these members. */
export const block = (members: string[]): string => `{\n${members.join("\n").replaceAll(/^/gm, "  ")}\n}`;
