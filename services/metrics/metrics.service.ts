import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import Prometheus from "moleculer-prometheus";
import { live, ready } from "../../lib/http/health.routes.ts";
import { exitWherePortIsTaken } from "../../lib/http/ports.ts";
import { config } from "../../lib/runtime/config.ts";
import { registry } from "../../lib/runtime/metrics.ts";

type Polka = {
  server?: http.Server;
  get(path: string, handler: (req: IncomingMessage, res: ServerResponse) => unknown): void;
  listen(port: number): Promise<void>;
};
type State = { server: Polka; register: { metrics(): Promise<string> } };

/**
 * moleculer-prometheus's own gauges, by names that `promtool check metrics` takes: what counts things that come and go
 * is no "total". Its figures of requests stay empty on Moleculer 0.15 (ours are lib/runtime/observe.ts), and its list
 * of nodes is `up` in Prometheus.
 */
const MOLECULER_METRICS = {
  moleculer_nodes_total: { name: "moleculer_nodes" },
  moleculer_services_total: { name: "moleculer_services" },
  moleculer_actions_total: { name: "moleculer_actions" },
  moleculer_events_total: { name: "moleculer_events" },
  moleculer_action_endpoints_total: { name: "moleculer_action_endpoints" },
  moleculer_service_endpoints_total: { name: "moleculer_service_endpoints" },
  moleculer_event_endpoints_total: { name: "moleculer_event_endpoints" },
  moleculer_nodes: null,
  moleculer_req_total: null,
  moleculer_req_errors_total: null,
  moleculer_req_duration_ms: null,
};

/** Each node's own metrics and probes, on METRICS_PORT: moleculer-prometheus's server, with our figures beside its own. */
export const PrometheusService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "prometheus",
  mixins: [Prometheus],
  settings: {
    port: config.metricsPort,
    collectDefaultMetrics: false,
    metrics: MOLECULER_METRICS,
  } as ServiceSettingSchema,

  created() {
    this.server.server = http.createServer();
    exitWherePortIsTaken(this.server.server, "METRICS_PORT", config.metricsPort);
    this.server.get("/health/live", live);
    this.server.get("/health/ready", ready);
    // from the first moment on, so that probes tell a node that waits from one that hangs; the mixin would later
    const listening = this.server.listen(config.metricsPort);
    this.server.listen = () => listening;
  },

  started() {
    // its own route is written for an older prom-client, whose metrics() was synchronous
    this.server.get("/metrics", async (_req, res) => {
      res.setHeader("Content-Type", registry.contentType);
      res.end((await registry.metrics()) + (await this.register.metrics()));
    });
  },
};
