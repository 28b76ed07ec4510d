import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { BadRequest, ValidationFailed } from "../../lib/contract/errors.ts";
import { waitsToBeAsked } from "../../lib/http/arrival.ts";
import { readIfMatch } from "../../lib/http/etag.ts";
import type { Binding } from "./gateway.types.ts";
import { readJson } from "./json-body.ts";
import { demandValid, isLarge } from "./large-body.ts";

/** Reads the params of an action from a request: each field from one place. */

type Fields = Record<string, unknown>;

/**
 * GET uses the query, all other methods a JSON body, or a body that the handler reads as a stream. The fields of the
 * path and the version of If-Match are added, and are refused elsewhere.
 * @throws BadRequest, BodyTooLarge, ValidationFailed
 */
export async function readParams(
  req: IncomingMessage,
  res: ServerResponse,
  {
    action,
    search,
    path,
    query,
    ignoresOtherQuery,
    streamsBody,
    conditional,
  }: { search: string; path: Fields } & Pick<
    Binding,
    "action" | "query" | "ignoresOtherQuery" | "streamsBody" | "conditional"
  >,
): Promise<Fields> {
  const takesQuery = req.method === "GET" || req.method === "HEAD";
  const given = parseQuery(search, ignoresOtherQuery && query);
  if (!takesQuery) refuseFields(Object.keys(given), "does not belong in the query");
  if (query)
    refuseFields(
      Object.keys(given).filter((field) => !query.includes(field)),
      "is not a known field",
    );
  if (takesQuery && (await hasBody(req))) throw new BadRequest("A GET request takes no body");
  const takesJson = !takesQuery && !streamsBody && (await hasBody(req));
  const fields = takesJson ? await readJson(req, res) : given;
  refuseFields(
    Object.keys(path).filter((field) => Object.hasOwn(fields, field)),
    "is given by the path",
  );
  if (conditional && Object.hasOwn(fields, "ifVersion"))
    refuseFields(["ifVersion"], "is given by the header If-Match");
  const params = { ...fields, ...path };
  if (conditional && "if-match" in req.headers) params.ifVersion = readIfMatch(req.headers);
  if (takesJson && isLarge(req)) demandValid(action, params);
  return params;
}

/** @throws ValidationFailed if there are any such fields */
function refuseFields(fields: string[], message: string): void {
  if (fields.length > 0) throw new ValidationFailed(fields.map((field) => ({ field, message })));
}

/**
 * Whether the request has a body of at least one byte. With `Transfer-Encoding: chunked` only the first chunk shows it,
 * because proxies send requests without a body in that encoding too.
 * @throws BadRequest if the client disconnects
 */
async function hasBody(req: IncomingMessage): Promise<boolean> {
  if (req.headers["transfer-encoding"] === undefined) return Number(req.headers["content-length"] ?? 0) > 0;
  if (waitsToBeAsked(req)) return true;
  if (req.readableLength === 0 && !req.complete)
    await once(req, "readable").catch(() => {
      throw new BadRequest("Request body could not be read");
    });
  return req.readableLength > 0;
}

/**
 * The fields of the query; each may be given once. With `known`, all other fields are left out.
 * @throws ValidationFailed
 */
function parseQuery(query: string, known?: string[]): Fields {
  if (query === "") return {};
  const fields = [...new URLSearchParams(query)].filter(([name]) => known?.includes(name) ?? true);
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
