import http, { type ServerResponse } from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallingOptions, Context, Service, ServiceSchema, ServiceSettingSchema } from "moleculer";
import ApiGateway from "moleculer-web";
import { demandRole, type Meta } from "../../lib/contract/caller.ts";
import { MethodNotAllowed, RouteNotFound, Unauthorized } from "../../lib/contract/errors.ts";
import { sendError } from "../../lib/http/answer.ts";
import { HEALTH_ROUTES } from "../../lib/http/health.routes.ts";
import { exitWherePortIsTaken } from "../../lib/http/ports.ts";
import { config } from "../../lib/runtime/config.ts";
import { notReady, nowReady } from "../../lib/runtime/health.ts";
import { httpResponses } from "../../lib/runtime/metrics.ts";
import { readTraceparent } from "../../lib/tracing/trace-context.ts";
import { BASE_PATH, ROUTES } from "./api.routes.ts";
import { authenticate } from "./authenticate.ts";
import { printWelcome } from "./development-token.ts";
import { DOCS_ROUTES, forgetDocument } from "./docs/docs.routes.ts";
import type { Binding, Request } from "./gateway.types.ts";
import { readParams } from "./request.ts";
import { routeOf, tellRequest } from "./request-line.ts";

type Alias = Partial<Binding> & { method: string; fullPath: string; match(url: string): object | false };
type State = {
  server: http.Server;
  aliases: Alias[];
  httpHandler: http.RequestListener;
  /** The answers that are not out yet. */
  underWay: Set<ServerResponse>;
};

/** A request has this long to arrive, in ms: who sends a byte a second is cut off. */
const ARRIVE_WITHIN = { headers: 10_000, whole: 20_000 };
/** While stopping: how long connections are told to close, and how long requests may take, in ms. */
const DRAIN = { announce: 300, limit: 5_500 };

const NO_LOGS = { logRequest: null, logRequestParams: null, logResponse: null, logRouteRegistration: null };

/** REST onto actions (SPEC 2), by moleculer-web: it only says who is calling; the actions check the right. */
const ApiService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "api",
  mixins: [ApiGateway as unknown as Partial<ServiceSchema>],

  settings: {
    port: config.port,
    ...NO_LOGS,
    optimizeOrder: false,
    $secureSettings: ["routes", "rootCallOptions"],
    rootCallOptions: (options: CallingOptions, req: Request) => {
      options.requestID = undefined; // moleculer-web takes x-request-id for one
      options.parentSpan = readTraceparent(req.headers.traceparent);
    },
    routes: [
      {
        path: BASE_PATH,
        aliases: ROUTES,
        bodyParsers: false,
        mergeParams: false,
        mappingPolicy: "restrict",
        pathToRegexpOptions: { sensitive: true },
        onBeforeCall,
        onAfterCall,
      },
      {
        path: "/",
        aliases: { ...HEALTH_ROUTES, ...DOCS_ROUTES },
        bodyParsers: false,
        mappingPolicy: "restrict",
      },
    ],
  } as ServiceSettingSchema,

  // moleculer-web lets any node of the cluster add a route to the gateway
  actions: { listAliases: false, addRoute: false, removeRoute: false },
  hooks: { before: { rest: tellRequest } },

  events: { "$services.changed": forgetDocument },

  methods: {
    createServer() {
      const { headers: headersTimeout, whole: requestTimeout } = ARRIVE_WITHIN;
      const limits = { headersTimeout, requestTimeout, connectionsCheckingInterval: 1_000 };
      this.server = http.createServer(limits, this.httpHandler);
      exitWherePortIsTaken(this.server, "PORT", config.port);
      this.underWay = new Set();
      this.server.on("request", (_req, res) => {
        this.underWay.add(res);
        res.once("close", () => {
          this.underWay.delete(res);
          httpResponses.inc({ status: res.headersSent ? res.statusCode : 499 });
        });
      });
    },

    /** Splits the request's target. No trailing slashes, and OPTIONS is a method like any other (SPEC 2). */
    parseQueryString(req: Request) {
      const [url = "", query = ""] = split(req.url ?? "", "?");
      if (url.length > 1 && url.endsWith("/")) throw new RouteNotFound();
      if (req.method === "OPTIONS") req.headers["access-control-request-method"] = "OPTIONS";
      return { url, query };
    },

    /**
     * The path is that of the first route that it matches, whatever the method: `me` is no `:id`.
     * @throws RouteNotFound, MethodNotAllowed
     */
    resolveAlias(url: string, method: string) {
      const first = this.aliases.find((alias) => alias.match(url));
      if (!first) throw new RouteNotFound();
      const ofPath = this.aliases.filter(({ fullPath }) => fullPath === first.fullPath);
      const wanted = method === "HEAD" ? "GET" : method;
      const alias = ofPath.find((alias) => alias.method === wanted);
      if (alias) return { alias, params: alias.match(url) };
      throw new MethodNotAllowed(
        ofPath.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : method)),
      );
    },

    encodeResponse(_req: Request, res: ServerResponse, data: unknown) {
      const json = JSON.stringify(data);
      res.setHeader("Content-Length", Buffer.byteLength(json)); // for HEAD too
      return json;
    },

    errorHandler(req: Request, res: ServerResponse, err: Error) {
      const status = sendError(req, res, err);
      if (status >= 500) req.$failure = err;
    },

    /** Answers what was accepted and takes nothing more; resolves when the last answer is out. */
    async drain() {
      const sayGoodbye = (res: ServerResponse) => res.headersSent || res.setHeader("Connection", "close");
      this.server.prependListener("request", (_req, res) => sayGoodbye(res));
      this.underWay.forEach(sayGoodbye);
      await sleep(DRAIN.announce);
      // http's own close() would cut off connections whose next request is just arriving
      const closed = new Promise((resolve) => net.Server.prototype.close.call(this.server, resolve));
      await sleep(DRAIN.announce);
      this.server.closeIdleConnections();
      await Promise.race([closed, sleep(DRAIN.limit, undefined, { ref: false })]);
      this.server.closeAllConnections();
    },
  },

  started() {
    notReady("services");
    this.waitForServices(["users", "stats", "avatars"]).then(() => {
      nowReady("services");
      if (!config.auth.issuer) return printWelcome();
    });
  },
};

/** The order of the checks (SPEC 3): who is calling, what may be said before the params, then the params. */
async function onBeforeCall(
  this: Service,
  ctx: Context<unknown, Meta>,
  _route: unknown,
  req: Request,
  res: ServerResponse,
  alias: Binding,
): Promise<void> {
  if (ctx.span) ctx.span.name = routeOf(req);
  const access = req.$action?.access ?? "internal";
  ctx.meta.caller = access === "anyone" ? { internal: false } : await authenticate(req.headers, this.logger);
  demandRole(access, ctx.meta.caller);
  if (alias.forUser && !ctx.meta.caller.user) throw new Unauthorized("A user's token is required");
  const { params: path } = req.$params as { params: Record<string, unknown> };
  req.$params = await readParams(req, res, { ...alias, asked: req.query, path });
}

function onAfterCall(
  this: Service,
  ctx: Context<unknown, Meta & { $statusCode?: number; $location?: string }>,
  _route: unknown,
  req: Request & { $alias: Binding },
  _res: ServerResponse,
  data: { id: string },
): unknown {
  if (req.$alias.status === 201) {
    ctx.meta.$statusCode = 201;
    ctx.meta.$location = `${BASE_PATH}/users/${data.id}`;
  }
  return data;
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export default ApiService;
