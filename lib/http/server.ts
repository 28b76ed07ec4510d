import http, { type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Service } from "moleculer";
import { config } from "../config/config.ts";
import { RequestRefused } from "../contract/errors.ts";
import { newTraceId } from "../contract/events.ts";
import { httpResponses } from "../runtime/metrics.ts";
import { sendError, writeError } from "./answer.ts";
import { ARRIVE_WITHIN, tooLate } from "./arrival.ts";
import { faultOfHost, pathIn, toOriginForm } from "./target.ts";

/** The HTTP server of both ports. It also answers requests that Node's parser refuses (contract 3). */

/** A connection without traffic for this time is closed, in ms: its client does not read the answer. */
const SILENCE = 120_000;
/** A connection with more waiting requests is closed: 1,000 of them take 7 MB. */
const PIPELINED_MAX = 100;

type Exchange = { req: IncomingMessage; res: ServerResponse };
type Fault = NodeJS.ErrnoException & { rawPacket?: Buffer };
type Options = {
  /** The name of the variable that sets the port. */
  variable: string;
  port: number;
  logger: Service["logger"];
};

export type HttpServer = http.Server & {
  /** From now on the last answer of each connection asks the client to close it, unless the answer has begun. */
  sayGoodbye(): void;
};

/** Creates a server that does not listen yet. If its port cannot be used, the process ends with one line. */
export function createServer({ variable, port, logger }: Options, listener: RequestListener): HttpServer {
  /**
   * The last exchange of each connection. It is a map of connections, because in a set of open requests V8 keeps each
   * request alive until the next full garbage collection: its outgrown tables refer to the newer ones. That took 17% of
   * the CPU time (measured).
   */
  const exchanges = new Map<Duplex, Exchange>();
  /** How many requests of each connection wait for an earlier one. */
  const waiting = new WeakMap<Duplex, number>();
  const count = (socket: Duplex, more: number) => waiting.set(socket, (waiting.get(socket) ?? 0) + more);
  const failed = new WeakSet<Duplex>();

  function report({ code: status, message: reason }: RequestRefused, traceId?: string): void {
    httpResponses.inc({ status });
    logger.info({ action: "request", traceId, route: "", status, reason }, "Request refused");
  }

  function refuse(req: IncomingMessage, res: ServerResponse, error: RequestRefused): void {
    const traceId = newTraceId();
    res.setHeader("Connection", "close");
    sendError(Object.assign(req, { $ctx: { requestID: traceId } }), res, error);
    report(error, traceId);
  }

  function refuseSocket(socket: Duplex, error: RequestRefused, path: string): void {
    if (!socket.writable) return;
    const traceId = newTraceId();
    writeError(socket, error, { path, traceId });
    report(error, traceId);
  }

  function onClientError(fault: Fault, socket: Duplex & { bytesRead?: number }): void {
    if (failed.has(socket)) return; // Node's parser goes on while the answer is written
    failed.add(socket);
    if (fault.code === "ECONNRESET" || socket.bytesRead === 0) {
      socket.destroy();
      return;
    }
    const error = toRefusal(fault.code);
    const { req, res } = exchanges.get(socket) ?? {};
    const answer = () => refuseSocket(socket, error, pathIn(fault.rawPacket));
    if (!req || !res || res.writableFinished) answer();
    else if (req.complete)
      res.once("close", answer); // earlier requests of the connection are answered first
    else if (res.headersSent) res.destroy();
    else if (fault.code === "HPE_INVALID_EOF_STATE") {
      // the client sends no more, but may still read
      const [path = ""] = (req.url ?? "").split("?", 1);
      writeError(socket, error, { path, traceId: newTraceId() });
      setImmediate(() => res.destroy());
    } else {
      res.setHeader("Connection", "close");
      // after the request's trace is known
      setImmediate(() => res.headersSent || sendError(req, res, error));
    }
  }

  const options: http.ServerOptions = {
    headersTimeout: ARRIVE_WITHIN.headers,
    // for uploads, with time to answer before Node closes the connection; other bodies have a limit of their own
    requestTimeout: ARRIVE_WITHIN.headers + ARRIVE_WITHIN.upload.whole,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: config.http.keepAliveMs,
    maxHeaderSize: config.http.maxHeaderSize,
    requireHostHeader: false, // Node's own answer has no body
  };
  const server = http.createServer(options, (req, res) => {
    const { socket } = req;
    const previous = exchanges.get(socket)?.res;
    exchanges.set(socket, { req, res });
    if (!previous || previous.closed) handle(req, res);
    else if ((waiting.get(socket) ?? 0) >= PIPELINED_MAX) socket.destroy();
    else {
      count(socket, 1);
      previous.once("close", () => {
        count(socket, -1);
        if (!socket.destroyed && !res.headersSent) handle(req, res);
      });
    }
  });
  server.timeout = SILENCE;
  server.on("connection", (socket) => socket.once("close", () => exchanges.delete(socket)));

  /** Handles one request of a connection at a time: thousands of pipelined requests could block all other clients. */
  function handle(req: IncomingMessage, res: ServerResponse): void {
    req.url = toOriginForm(req.url ?? "");
    const fault = faultOfHost(req);
    if (fault) refuse(req, res, new RequestRefused(400, `The Host header is ${fault}`));
    else listener(req, res);
  }
  // Node would ask for every body, even if the request is then refused: see askForBody
  server.on("checkContinue", (req, res) => server.emit("request", req, res));
  server.on("checkExpectation", (req, res) =>
    refuse(req, res, new RequestRefused(417, "The Expect header asks for what is not supported")),
  );
  server.on("connect", (req, socket) =>
    refuseSocket(socket, new RequestRefused(400, "CONNECT is not supported"), req.url ?? ""),
  );
  server.on("clientError", onClientError);
  exitIfPortIsTaken(server, variable, port);
  return Object.assign(server, {
    sayGoodbye() {
      server.prependListener("request", ({ socket }, res) => {
        const previous = exchanges.get(socket)?.res; // if it closed the connection, this request had no answer
        if (previous && !previous.headersSent) previous.removeHeader("Connection");
        askToClose(res);
      });
      for (const { res } of exchanges.values()) askToClose(res);
    },
  });
}

function askToClose(res: ServerResponse): void {
  if (!res.headersSent) res.setHeader("Connection", "close");
}

function toRefusal(code = ""): RequestRefused {
  if (code === "HPE_HEADER_OVERFLOW")
    return new RequestRefused(431, `The header exceeds ${config.http.maxHeaderSize} bytes`);
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW")
    return new RequestRefused(413, "The chunk extensions are too long");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return tooLate();
  return new RequestRefused(400, "The request is not valid HTTP");
}

function exitIfPortIsTaken(server: http.Server, variable: string, port: number): void {
  server.on("error", ({ code }: NodeJS.ErrnoException) => {
    console.error(
      `${variable}: ${port} cannot be used (${code}): choose a free port, or stop the process that uses it`,
    );
    process.exit(1);
  });
}
