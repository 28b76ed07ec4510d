import type { ServerResponse } from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context, Service, ServiceSchema, ServiceSettingSchema } from "moleculer";
import ApiGateway from "moleculer-web";
import { config } from "../../lib/config/config.ts";
import { demandRole, type Meta } from "../../lib/contract/caller.ts";
import { ARRIVE_WITHIN, arriveWithin } from "../../lib/http/arrival.ts";
import { readCorrelationId } from "../../lib/http/correlation.ts";
import { setEtag } from "../../lib/http/etag.ts";
import { HEALTH_ROUTES } from "../../lib/http/health.routes.ts";
import { notReady, nowReady } from "../../lib/runtime/health.ts";
import type { Drain } from "../../lib/runtime/lifecycle.ts";
import { within } from "../../lib/runtime/tasks.ts";
import { BASE_PATH, ROUTES } from "./api.routes.ts";
import { authenticate, identify } from "./authenticate.ts";
import { printWelcome } from "./development-token.ts";
import { DOCS_ROUTES } from "./docs/docs.routes.ts";
import type { Binding, Request } from "./gateway.types.ts";
import { GATEWAY_OVERRIDES, type GatewayState } from "./gateway-overrides.ts";
import { markReplay, readIdempotencyKey } from "./idempotency-key.ts";
import { keepApart, paramsOfMe } from "./me.ts";
import { readParams } from "./request.ts";
import { routeOf } from "./request-log.ts";
import { maySignUp } from "./sign-up.ts";

/** In ms. While stopping, answers ask clients at least so long to close their connection. */
const ANNOUNCE = 300;

const NO_LOGS = { logRequest: null, logRequestParams: null, logResponse: null, logRouteRegistration: null };

/** Maps REST routes to actions (contract 2) with moleculer-web. It authenticates; the actions authorize. */
const ApiService: ServiceSchema<ServiceSettingSchema, object, GatewayState> = {
  name: "api",
  mixins: [ApiGateway as Partial<ServiceSchema>],

  settings: {
    port: config.port,
    ip: null, // all addresses, IPv4 and IPv6
    ...NO_LOGS,
    optimizeOrder: false,
    $secureSettings: ["routes"],
    routes: [
      {
        path: BASE_PATH,
        aliases: ROUTES,
        bodyParsers: false,
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
        pathToRegexpOptions: { sensitive: true },
        onBeforeCall: setCorrelationId,
      },
    ],
  } as ServiceSettingSchema,

  // with these actions, any node of the cluster could add a route to the gateway
  actions: { listAliases: false, addRoute: false, removeRoute: false },

  methods: {
    ...GATEWAY_OVERRIDES,

    /**
     * Accepts connections until `listenUntil`. Resolves when the last accepted request is answered, at `answerUntil` at
     * the latest (both of performance.now()).
     */
    async drain({ listenUntil, answerUntil }: Drain) {
      const left = (time: number) => Math.max(0, time - performance.now());
      this.server.sayGoodbye();
      await sleep(Math.max(ANNOUNCE, left(listenUntil)));
      // close() of http would end connections whose next request is just arriving
      const closed = new Promise((resolve) => net.Server.prototype.close.call(this.server, resolve));
      await sleep(ANNOUNCE);
      this.server.closeIdleConnections();
      await within(left(answerUntil), closed);
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

/** The order of the checks (contract 3): authentication, roles, then the params. */
async function onBeforeCall(
  this: Service,
  ctx: Context<unknown, Meta>,
  route: unknown,
  req: Request,
  res: ServerResponse,
  alias: Binding,
): Promise<void> {
  if (ctx.span) ctx.span.name = routeOf(req);
  if (alias.me) keepApart(res);
  const access = req.$action?.access ?? "internal";
  const isOpen = access === "anyone" && !alias.me;
  const { caller, signUp } = await (isOpen ? identify(req.headers) : authenticate(req.headers, this.logger));
  ctx.meta.caller = caller;
  if (signUp && maySignUp(alias, req)) ctx.meta.signUp = signUp;
  demandRole(access, caller);
  const path = alias.me ? { ...req.$params, ...paramsOfMe(alias.me, caller) } : req.$params;
  setCorrelationId(ctx, route, req);
  if (alias.idempotent) ctx.meta.idempotencyKey = readIdempotencyKey(req);
  const read = readParams(req, res, { ...alias, search: req.query, path });
  req.$params = await (req.complete ? read : arriveWithin(ARRIVE_WITHIN.body, read));
}

function setCorrelationId(ctx: Context<unknown, Meta>, _route: unknown, req: Request): void {
  const correlationId = readCorrelationId(req);
  if (correlationId) ctx.meta.correlationId = correlationId;
}

function onAfterCall(
  this: Service,
  ctx: Context<unknown, Meta & { $statusCode?: number; $location?: string }>,
  _route: unknown,
  req: Request & { $alias: Binding },
  res: ServerResponse,
  data: Record<string, unknown>,
): unknown {
  markReplay(ctx.meta, res);
  const { status, location = "/users/:id", versioned } = req.$alias;
  if (status === 202) ctx.meta.$statusCode = 202;
  if (status === 201 || (status === "200 or 201" && ctx.meta.created)) {
    ctx.meta.$statusCode = 201;
    ctx.meta.$location = BASE_PATH + location.replaceAll(/:(\w+)/g, (_, field) => String(data[field]));
  }
  const isUnchanged = versioned && setEtag(req, res, ctx.meta.version, versioned(data));
  if (!isUnchanged) return data;
  ctx.meta.$statusCode = 304;
  return null;
}

export default ApiService;
