import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Context } from "moleculer";
import { DependencyUnavailable, MethodNotAllowed, RouteNotFound } from "../contract/errors.ts";
import { newTraceId } from "../contract/events.ts";
import { degradation, demandReady, healthReport } from "../runtime/health.ts";
import { registry } from "../runtime/metrics.ts";
import { sendError, sendJson } from "./answer.ts";
import { echoCorrelationId } from "./correlation.ts";

/** Health and metrics of a node, without authentication (contract 6): on PORT, and on METRICS_PORT of each node. */

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<unknown>;

const health = async (req: IncomingMessage & { $ctx: Context }, res: ServerResponse): Promise<void> => {
  const report = await healthReport(req.$ctx);
  if (report.status === "ok") sendJson(req, res, 200, report);
  else sendError(req, res, new DependencyUnavailable("database"), report);
};

export const live: Handler = async (req, res) => sendJson(req, res, 200, { status: "ok" });

export const ready: Handler = (req, res) =>
  demandReady().then(
    () => sendJson(req, res, 200, { status: "ok", ...degradation() }),
    (error) => sendError(req, res, error),
  );

/** Sends the metrics of this process, followed by those of `others`. */
export const metricsWith =
  (others: () => Promise<string>): Handler =>
  async (_req, res) => {
    const text = (await registry.metrics()) + (await others());
    res.writeHead(200, { "Content-Type": registry.contentType, "Content-Length": Buffer.byteLength(text) });
    res.end(text);
  };

export const metrics = metricsWith(async () => "");

/** A listener for these paths, which accept GET and HEAD. */
export const listenerFor =
  (routes: Record<string, Handler>): RequestListener =>
  (req, res) => {
    const [path = ""] = (req.url ?? "").split("?", 1);
    const handler = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const requestID = newTraceId();
    echoCorrelationId(Object.assign(req, { $ctx: { requestID } }), res, requestID);
    if (!handler) sendError(req, res, new RouteNotFound());
    else if (req.method !== "GET" && req.method !== "HEAD")
      sendError(req, res, new MethodNotAllowed(["GET", "HEAD"]));
    else handler(req, res).catch((error) => sendError(req, res, error));
  };

/** The gateway's routes. */
export const HEALTH_ROUTES = {
  "GET /health": health,
  "GET /health/live": live,
  "GET /health/ready": ready,
  "GET /metrics": metrics,
};
