import type { ServerResponse } from "node:http";
import type { Context, Service, ServiceBroker } from "moleculer";
import { config } from "../../lib/config/config.ts";
import type { Meta } from "../../lib/contract/caller.ts";
import { MethodNotAllowed, RouteNotFound } from "../../lib/contract/errors.ts";
import { sendError } from "../../lib/http/answer.ts";
import { echoCorrelationId } from "../../lib/http/correlation.ts";
import { createServer, type HttpServer } from "../../lib/http/server.ts";
import { httpResponses } from "../../lib/runtime/metrics.ts";
import { startRequestSpan } from "../../lib/tracing/spans.ts";
import { readTraceparent, traceparentOf } from "../../lib/tracing/trace-context.ts";
import type { Binding, Request } from "./gateway.types.ts";
import { markReplay } from "./idempotency-key.ts";
import { logRequest } from "./request-log.ts";

type Alias = Partial<Binding> & {
  method: string;
  fullPath: string;
  route: object;
  match(url: string): object | false;
};

/** The members of moleculer-web's service that we use. */
export type GatewayState = {
  server: HttpServer;
  aliases: Alias[];
  httpHandler(req: Request, res: ServerResponse): Promise<void>;
  parseQueryString(req: Request): { url: string; query: string };
  resolveAlias(url: string, method: string): { alias: Alias; params: object };
  aliasHandler(req: Request, res: ServerResponse, alias: Alias): Promise<unknown>;
  errorHandler(req: Request, res: ServerResponse, error: Error): void;
  /** The aliases of each path, in order. */
  paths?: Alias[][];
};

/** Node encodes long texts slowly while it sends them; such an answer is encoded before. In characters. */
const LONG = 10_000;

/** Methods of moleculer-web (0.11) that are replaced. They depend on its internals: check them at each upgrade. */
export const GATEWAY_OVERRIDES = {
  /** Called in `created`; moleculer-web then has `this.server` listen in `started`. */
  createServer(this: Service & GatewayState): void {
    const options = { variable: "PORT", port: config.port, logger: this.logger };
    this.server = createServer(options, (req, res) => void this.httpHandler(req as Request, res));
  },

  /**
   * Takes a request to its route. moleculer-web would first call an action of its own through all middlewares, which is
   * half the cost of a request.
   */
  async httpHandler(this: Service & GatewayState, req: Request, res: ServerResponse): Promise<void> {
    const start = performance.now();
    const ctx = toContext(this.broker, req);
    const span = startRequestSpan(ctx, req.method ?? ""); // until its route is known
    Object.assign(req, { $ctx: ctx, originalUrl: req.url });
    const traceparent = traceparentOf(ctx);
    if (traceparent) res.setHeader("traceparent", traceparent);
    echoCorrelationId(req, res, ctx.requestID ?? ctx.id);
    res.once("close", () => {
      httpResponses.inc({ status: res.headersSent ? res.statusCode : 499 });
      logRequest(this.logger, req, res, performance.now() - start);
      if (span) ctx.finishSpan(span);
    });
    try {
      const { url, query } = this.parseQueryString(req);
      const { alias, params } = this.resolveAlias(url, req.method ?? "");
      Object.assign(req, { query, $route: alias.route, $alias: alias, $params: params });
      await this.aliasHandler(req, res, alias);
    } catch (error) {
      span?.setError(error as Error);
      this.errorHandler(req, res, error as Error);
    }
  },

  /** Splits the request's target. No trailing slashes (contract 2). */
  parseQueryString(req: Request): { url: string; query: string } {
    const [url = "", query = ""] = split(req.url ?? "", "?");
    if (url.length > 1 && url.endsWith("/")) throw new RouteNotFound();
    return { url, query };
  },

  /**
   * The path belongs to the first route that it matches, whatever the method: `me` is not an `:id`.
   * @throws RouteNotFound, MethodNotAllowed
   */
  resolveAlias(this: GatewayState, url: string, method: string) {
    this.paths ??= [...Map.groupBy(this.aliases, ({ fullPath }) => fullPath).values()];
    for (const aliases of this.paths) {
      const params = aliases[0]?.match(url);
      if (params) return { alias: aliasFor(method, aliases), params };
    }
    throw new RouteNotFound();
  },

  /** Sets the length for HEAD too. */
  encodeResponse(_req: Request, res: ServerResponse, data: unknown): string | Buffer {
    const json = JSON.stringify(data);
    const length = Buffer.byteLength(json);
    res.setHeader("Content-Length", length);
    if (json.length < LONG) return json;
    return Buffer.from(json, length === json.length ? "latin1" : "utf8"); // the same bytes if it is ASCII
  },

  /**
   * Answers errors in the form of contract 3. The request's log line includes the error if it is the service's fault.
   */
  errorHandler(req: Request, res: ServerResponse, err: Error): void {
    markReplay(req.$ctx?.meta, res);
    const status = sendError(req, res, err);
    if (status >= 500) req.$failure = err;
  },
};

/** A context from which the request's calls get their trace and meta. */
const toContext = (broker: ServiceBroker, { headers }: Request): Context<unknown, Meta> =>
  broker.ContextFactory.create(
    broker,
    null as never,
    {},
    { parentSpan: readTraceparent(headers.traceparent) },
  );

/** @throws MethodNotAllowed if none of them has the method */
function aliasFor(method: string, aliases: Alias[]): Alias {
  const wanted = method === "HEAD" ? "GET" : method;
  const alias = aliases.find((alias) => alias.method === wanted);
  if (alias) return alias;
  throw new MethodNotAllowed(aliases.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : method)));
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
