import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { newTraceId } from "../contract/events.ts";
import { CORRELATION_ID, echoCorrelationId } from "./correlation.ts";
import { toErrorResponse } from "./error-response.ts";
import { PROBLEM_JSON, toProblem, wantsProblem } from "./problem.ts";

/** How long the rest of a request is read and ignored after its answer, in ms. */
const LINGER = 2_000;

type Incoming = IncomingMessage & { originalUrl?: string; $ctx?: { requestID: string | null } };

/** Sends JSON; HEAD gets the same headers. If an answer has already begun, the connection is closed instead. */
export function sendJson(
  req: Incoming,
  res: ServerResponse,
  status: number,
  body: object,
  headers: object = {},
  type = "application/json; charset=utf-8",
): void {
  if (res.headersSent) return void res.destroy();
  const json = JSON.stringify(body);
  res.writeHead(status, { ...headers, "Content-Type": type, "Content-Length": Buffer.byteLength(json) });
  if (!req.complete) linger(req);
  res.end(req.method === "HEAD" ? undefined : json);
}

/**
 * Reads and ignores the rest of a request for a while. Node would close the connection right after its last answer, and
 * bytes that still arrive then can destroy that answer before the client has read it (RFC 9112, 9.6).
 */
function linger(req: Incoming): void {
  const { socket } = req;
  setTimeout(() => req.complete || socket.destroy(), LINGER).unref();
  socket.destroySoon = () => {
    socket.end(); // our side only
    setTimeout(() => socket.destroy(), LINGER).unref();
  };
}

/**
 * Sends an error in the form of contract 3, or of RFC 9457 if the caller asks for it (contract 22), after the fields of
 * `besides`. Returns the status.
 */
export function sendError(req: Incoming, res: ServerResponse, error: unknown, besides: object = {}): number {
  const [path = ""] = (req.originalUrl ?? req.url ?? "").split("?", 1);
  const traceId = req.$ctx?.requestID ?? newTraceId();
  const { status, code, headers, body } = toErrorResponse(error, { path, traceId, now: new Date() });
  if (!res.headersSent && !res.hasHeader(CORRELATION_ID)) echoCorrelationId(req, res, traceId);
  if (wantsProblem(req.headers.accept))
    sendJson(req, res, status, { ...besides, ...toProblem(code, body) }, headers, PROBLEM_JSON);
  else sendJson(req, res, status, { ...besides, ...body }, headers);
  return status;
}

/** Sends an error on a connection that has no request, and closes the connection. */
export function writeError(socket: Duplex, error: unknown, at: { path: string; traceId: string }): void {
  const { status, headers, body } = toErrorResponse(error, { ...at, now: new Date() });
  const json = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(json)}`,
    "Connection: close",
    `${CORRELATION_ID}: ${at.traceId}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.on("error", () => {}).end(`${head.join("\r\n")}\r\n\r\n${json}`);
  setTimeout(() => socket.destroy(), LINGER).unref();
}
