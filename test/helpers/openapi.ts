import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** The published documents, as far as the tests look into them. */

export type Content = Record<
  string,
  { schema?: object; example?: unknown; examples?: Record<string, { value: object }> }
>;
export type Operation = {
  operationId: string;
  security: Record<string, []>[];
  parameters?: { name: string; in: "path" | "query"; example?: string | number; schema: object }[];
  requestBody?: { content: Content };
  responses: Record<string, { content?: Content; headers?: Record<string, { schema: { enum?: string[] } }> }>;
};
export type Document = { paths: Record<string, Record<string, Operation>>; [field: string]: unknown };

/** Checks values by the schemas of a document. Returns the faults. */
export function schemasOf(document: object) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "document");
  return (schema: object, value: unknown): unknown[] => {
    const text = JSON.stringify(schema).replaceAll('"#/', '"document#/');
    // the document has registered its ids already
    const check = ajv.compile(JSON.parse(text, (key, value) => (key === "$id" ? undefined : value)));
    return check(value) ? [] : (check.errors ?? []);
  };
}
