import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** The parts of the published documents that the tests read. */

export type Content = Record<
  string,
  { schema?: object; example?: unknown; examples?: Record<string, { value: object }> }
>;
export type Operation = {
  operationId: string;
  security: Record<string, []>[];
  parameters?: { name: string; in: "path" | "query"; example?: string | number; schema: object }[];
  requestBody?: { content: Content };
  responses: Record<string, { content?: Content; headers?: Record<string, { examples?: object }> }>;
};
export type Document = { paths: Record<string, Record<string, Operation>>; [field: string]: unknown };

/** Returns a function that validates a value by a schema of the document, and returns the errors. */
export function schemasOf(document: object) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "document");
  const compiled = new Map<string, ValidateFunction>();
  const compile = (text: string): ValidateFunction => {
    // the document has registered its ids already
    const check = ajv.compile(JSON.parse(text, (key, value) => (key === "$id" ? undefined : value)));
    compiled.set(text, check);
    return check;
  };
  return (schema: object, value: unknown): unknown[] => {
    const text = JSON.stringify(schema).replaceAll('"#/', '"document#/');
    const check = compiled.get(text) ?? compile(text);
    return check(value) ? [] : (check.errors ?? []);
  };
}
