import type { IncomingMessage, ServerResponse } from "node:http";
import { newTraceId } from "../contract/events.ts";
import { toErrorResponse } from "./error-response.ts";

/** After an answer that did not wait for the whole request: so long the rest may come and is thrown away, in ms. */
const LINGER = 1_000;

type Asked = IncomingMessage & { originalUrl?: string; $ctx?: { requestID: string | null } };

/** Answers with JSON; HEAD gets the same headers. An answer that has begun can only be cut off. */
export function sendJson(
  req: Asked,
  res: ServerResponse,
  status: number,
  body: object,
  headers: object = {},
): void {
  if (res.headersSent) return void res.destroy();
  const json = JSON.stringify(body);
  const type = "application/json; charset=utf-8";
  res.writeHead(status, { ...headers, "Content-Type": type, "Content-Length": Buffer.byteLength(json) });
  res.end(req.method === "HEAD" ? undefined : json);
  if (!req.complete) setTimeout(() => req.complete || req.socket.destroy(), LINGER).unref();
}

/** Answers with an error in the form of SPEC 3, `besides` before its fields. Returns the status. */
export function sendError(req: Asked, res: ServerResponse, error: unknown, besides: object = {}): number {
  const [path = ""] = (req.originalUrl ?? req.url ?? "").split("?", 1);
  const traceId = req.$ctx?.requestID ?? newTraceId();
  const { status, headers, body } = toErrorResponse(error, { path, traceId, now: new Date() });
  sendJson(req, res, status, { ...besides, ...body }, headers);
  return status;
}
