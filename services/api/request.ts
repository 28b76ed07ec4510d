import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import ApiGateway from "moleculer-web";
import { BadRequest, BodyTooLarge, ValidationFailed } from "../../lib/contract/errors.ts";
import type { Binding } from "./gateway.types.ts";

/** What a request says, as an action's params: each field from one place, and none that nobody asked for. */

type Fields = Record<string, unknown>;

const LIMIT = 2 ** 20; // bytes (SPEC 3)

const parseJson = promisify(
  ApiGateway.bodyParser.json({ limit: LIMIT, strict: false, type: () => true, reviver: refuseProto }),
) as (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** JSON may hold a key that would change an object's prototype once it is copied. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new SyntaxError("__proto__");
  return value;
}

/**
 * GET takes the query, everything else a JSON body, or one that its handler reads as a stream. The path's fields join
 * them, and are never overridden.
 * @throws BadRequest, BodyTooLarge, ValidationFailed
 */
export async function readParams(
  req: IncomingMessage & { body?: unknown },
  res: ServerResponse,
  {
    asked,
    path,
    query,
    streamsBody,
  }: { asked: string; path: Fields } & Pick<Binding, "query" | "streamsBody">,
): Promise<Fields> {
  const takesQuery = req.method === "GET" || req.method === "HEAD";
  const given = parseQuery(asked);
  if (!takesQuery) refuseFields(Object.keys(given), "does not belong in the query");
  if (query)
    refuseFields(
      Object.keys(given).filter((field) => !query.includes(field)),
      "is not a known field",
    );
  if (takesQuery && hasBody(req)) throw new BadRequest("A GET request takes no body");
  const fields = takesQuery || streamsBody ? given : await readBody(req, res);
  refuseFields(
    Object.keys(path).filter((field) => Object.hasOwn(fields, field)),
    "is given by the path",
  );
  return { ...fields, ...path };
}

/** @throws ValidationFailed if there are any such fields */
function refuseFields(fields: string[], message: string): void {
  if (fields.length > 0) throw new ValidationFailed(fields.map((field) => ({ field, message })));
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

async function readBody(req: IncomingMessage & { body?: unknown }, res: ServerResponse): Promise<Fields> {
  if (!hasBody(req)) return {};
  if (!/^application\/json\s*(;|$)/i.test(req.headers["content-type"] ?? ""))
    throw new BadRequest("Content-Type must be application/json");
  await parseJson(req, res).catch((error) => {
    throw toBodyError(error);
  });
  const { body = {} } = req;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new BadRequest("Request body must be a JSON object");
  return body as Fields;
}

function toBodyError({ type }: { type?: string }) {
  if (type === "entity.too.large") return new BodyTooLarge();
  if (type === "entity.parse.failed") return new BadRequest("Request body is not valid JSON");
  return new BadRequest("Request body could not be read");
}

/**
 * The query's fields; each may stand there once.
 * @throws ValidationFailed
 */
function parseQuery(query: string): Fields {
  if (query === "") return {};
  const fields = [...new URLSearchParams(query)];
  const names = fields.map(([name]) => name);
  refuseFields(
    names.filter((name, index) => names.indexOf(name) !== index),
    "is given more than once",
  );
  refuseFields(
    names.filter((name) => name === "__proto__"),
    "is not a known field",
  );
  return Object.fromEntries(fields);
}
