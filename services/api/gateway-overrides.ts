import type { RequestListener, Server, ServerResponse } from "node:http";
import type { Service } from "moleculer";
import { MethodNotAllowed, RouteNotFound } from "../../lib/contract/errors.ts";
import { sendError } from "../../lib/http/answer.ts";
import { createServer } from "../../lib/http/server.ts";
import { config } from "../../lib/runtime/config.ts";
import { httpResponses } from "../../lib/runtime/metrics.ts";
import type { Binding, Request } from "./gateway.types.ts";
import { markReplay } from "./idempotency-key.ts";

type Alias = Partial<Binding> & { method: string; fullPath: string; match(url: string): object | false };

/** What moleculer-web's service holds, as far as we use it. */
export type GatewayState = {
  server: Server;
  aliases: Alias[];
  httpHandler: RequestListener;
  /** The answers that are not sent yet. */
  pending: Set<ServerResponse>;
};

/** Methods of moleculer-web (0.11) that are replaced. They depend on its internals: check them at each upgrade. */
export const GATEWAY_OVERRIDES = {
  /** Called in `created`; moleculer-web then has `this.server` listen in `started`. */
  createServer(this: Service & GatewayState): void {
    const options = { variable: "PORT", port: config.port, logger: this.logger };
    this.pending = new Set();
    this.server = createServer(options, (req, res) => {
      this.pending.add(res);
      res.once("close", () => {
        this.pending.delete(res);
        httpResponses.inc({ status: res.headersSent ? res.statusCode : 499 });
      });
      this.httpHandler(req, res);
    });
  },

  /** Splits the request's target. No trailing slashes, and OPTIONS is a method like any other (contract 2). */
  parseQueryString(req: Request): { url: string; query: string } {
    const [url = "", query = ""] = split(req.url ?? "", "?");
    if (url.length > 1 && url.endsWith("/")) throw new RouteNotFound();
    // moleculer-web reads the method of an OPTIONS request there
    if (req.method === "OPTIONS") req.headers["access-control-request-method"] = "OPTIONS";
    return { url, query };
  },

  /**
   * The path belongs to the first route that it matches, whatever the method: `me` is not an `:id`.
   * @throws RouteNotFound, MethodNotAllowed
   */
  resolveAlias(this: GatewayState, url: string, method: string) {
    const first = this.aliases.find((alias) => alias.match(url));
    if (!first) throw new RouteNotFound();
    const ofPath = this.aliases.filter(({ fullPath }) => fullPath === first.fullPath);
    const wanted = method === "HEAD" ? "GET" : method;
    const alias = ofPath.find((alias) => alias.method === wanted);
    if (alias) return { alias, params: alias.match(url) };
    throw new MethodNotAllowed(ofPath.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : method)));
  },

  /** The length is set for HEAD too. */
  encodeResponse(_req: Request, res: ServerResponse, data: unknown): string {
    const json = JSON.stringify(data);
    res.setHeader("Content-Length", Buffer.byteLength(json));
    return json;
  },

  /** Errors are answered in the form of contract 3; the request's log line includes a failure of ours. */
  errorHandler(req: Request, res: ServerResponse, err: Error): void {
    markReplay(req.$ctx?.meta, res);
    const status = sendError(req, res, err);
    if (status >= 500) req.$failure = err;
  },
};

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
