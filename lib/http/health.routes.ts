import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "moleculer";
import { DependencyUnavailable } from "../contract/errors.ts";
import { demandReady, healthReport } from "../runtime/health.ts";
import { registry } from "../runtime/metrics.ts";
import { sendError, sendJson } from "./answer.ts";

/** What anyone may ask a node about itself (SPEC 6): on PORT, and on each node's METRICS_PORT. */

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<unknown>;

const health = async (req: IncomingMessage & { $ctx: Context }, res: ServerResponse): Promise<void> => {
  const report = await healthReport(req.$ctx);
  if (report.status === "ok") sendJson(req, res, 200, report);
  else sendError(req, res, new DependencyUnavailable("database"), report);
};

export const live: Handler = async (req, res) => sendJson(req, res, 200, { status: "ok" });

export const ready: Handler = (req, res) =>
  demandReady().then(
    () => sendJson(req, res, 200, { status: "ok" }),
    (error) => sendError(req, res, error),
  );

export const metrics: Handler = async (_req, res) =>
  res.setHeader("Content-Type", registry.contentType).end(await registry.metrics());

/** On the gateway. */
export const HEALTH_ROUTES = {
  "GET /health": health,
  "GET /health/live": live,
  "GET /health/ready": ready,
  "GET /metrics": metrics,
};
