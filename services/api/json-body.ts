import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import ApiGateway from "moleculer-web";
import { BadRequest, BodyTooLarge } from "../../lib/contract/errors.ts";
import { askForBody } from "../../lib/http/arrival.ts";

/** JSON bodies (RFC 8259): UTF-8 only, at most 1 MB, and cheap to parse whatever they contain. */

/** In bytes (contract 3). */
const LIMIT = 2 ** 20;

/** The maximum nesting depth of JSON. Code that walks a value recursively could exhaust the stack. */
const DEPTH_MAX = 100;

/**
 * The maximum number of values in JSON: copying an object with 90,000 keys takes 150 ms (measured). A profile has about
 * 20.
 */
const VALUES_MAX = 10_000;

const readBytes = promisify(ApiGateway.bodyParser.raw({ limit: LIMIT, type: () => true })) as (
  req: IncomingMessage,
  res: ServerResponse,
) => Promise<void>;

const TYPE = /^application\/json\s*(;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;

/**
 * Reads the body of a request as a JSON object.
 * @throws BadRequest, BodyTooLarge
 */
export async function readJson(
  req: IncomingMessage & { body?: unknown },
  res: ServerResponse,
): Promise<Record<string, unknown>> {
  const type = req.headers["content-type"] ?? "";
  const [, charset = "utf-8"] = CHARSET.exec(type) ?? [];
  if (!TYPE.test(type) || !/^(utf-?8|us-ascii)$/i.test(charset))
    throw new BadRequest("Content-Type must be application/json, in UTF-8");
  askForBody(req, res, { limit: LIMIT, tooLarge: () => new BodyTooLarge() });
  await readBytes(req, res).catch(({ type }: { type?: string }) => {
    throw type === "entity.too.large" ? new BodyTooLarge() : new BadRequest("Request body could not be read");
  });
  const body = req.body as Buffer;
  if (body.length === 0) return {}; // an empty body that was compressed
  const value = parseJson(body);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BadRequest("Request body must be a JSON object");
  return value as Record<string, unknown>;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses JSON without a reviver, which would be called for each of up to a million values.
 * @throws BadRequest if it is not valid UTF-8 or JSON, is nested too deep, has too many values, or has a key
 * `__proto__`, which would change an object's prototype when it is copied
 */
export function parseJson(bytes: Buffer): unknown {
  try {
    const text = UTF8.decode(bytes);
    limitStructure(text);
    const value: unknown = JSON.parse(text);
    if (/__proto__|\\u/.test(text)) refuseProto(value);
    return value;
  } catch (error) {
    if (error instanceof BadRequest) throw error;
    throw new BadRequest("Request body is not valid JSON");
  }
}

/** Checks the depth and the number of values before parsing: a body of 1 MB could hold 340,000 objects. */
function limitStructure(text: string): void {
  let depth = 0;
  let commas = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') inText = !inText;
    else if (inText) i += char === "\\" ? 1 : 0;
    else if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    else if (char === ",") commas++;
    if (depth > DEPTH_MAX) throw new BadRequest(`Request body is nested more than ${DEPTH_MAX} levels deep`);
    if (commas >= VALUES_MAX) throw new BadRequest(`Request body has more than ${VALUES_MAX} values`);
  }
}

function refuseProto(value: unknown): void {
  if (!isObject(value)) return;
  if (Object.hasOwn(value, "__proto__")) throw new BadRequest("Request body has a key __proto__");
  for (const child of Object.values(value)) refuseProto(child);
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
