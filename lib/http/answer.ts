import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { newTraceId } from "../contract/events.ts";
import { toErrorResponse } from "./error-response.ts";

/** How long the rest of a request is read and ignored after its answer, in ms: closing at once could lose the answer. */
const LINGER = 1_000;

type Incoming = IncomingMessage & { originalUrl?: string; $ctx?: { requestID: string | null } };

/** Answers with JSON; HEAD gets the same headers. If an answer has begun already, the connection is closed. */
export function sendJson(
  req: Incoming,
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

/** Answers with an error in the form of contract 3, the fields of `besides` first. Returns the status. */
export function sendError(req: Incoming, res: ServerResponse, error: unknown, besides: object = {}): number {
  const [path = ""] = (req.originalUrl ?? req.url ?? "").split("?", 1);
  const traceId = req.$ctx?.requestID ?? newTraceId();
  const { status, headers, body } = toErrorResponse(error, { path, traceId, now: new Date() });
  sendJson(req, res, status, { ...besides, ...body }, headers);
  return status;
}

/** Answers with an error on a connection that has no request, and closes it. */
export function writeError(socket: Duplex, error: unknown, at: { path: string; traceId: string }): void {
  const { status, body } = toErrorResponse(error, { ...at, now: new Date() });
  const json = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(json)}`,
    "Connection: close",
  ];
  socket.on("error", () => {}).end(`${head.join("\r\n")}\r\n\r\n${json}`);
  setTimeout(() => socket.destroy(), LINGER).unref();
}
