import { once } from "node:events";
import type { Server } from "node:http";
import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import Prometheus from "moleculer-prometheus";
import { config } from "../../lib/config/config.ts";
import { listenerFor, live, metricsWith, ready } from "../../lib/http/health.routes.ts";
import { createServer } from "../../lib/http/server.ts";

type State = {
  /** The methods of its server that the mixin uses. */
  server: { server: Server; get(): void; listen(): Promise<unknown> };
  /** The mixin's metrics, available once it has started. */
  register?: { metrics(): Promise<string> };
};

/**
 * The gauges of moleculer-prometheus, with names that `promtool check metrics` accepts: only counters end in "total".
 * Its request metrics stay empty with Moleculer 0.15 (ours are in lib/runtime/observe.ts), and its list of nodes is
 * `up` in Prometheus.
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

/** Metrics and health of each node on METRICS_PORT: those of moleculer-prometheus, and ours. */
export const PrometheusService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "prometheus",
  mixins: [Prometheus],
  settings: {
    port: config.metricsPort,
    collectDefaultMetrics: false,
    metrics: MOLECULER_METRICS,
  } as ServiceSettingSchema,

  created() {
    const routes = {
      "/health/live": live,
      "/health/ready": ready,
      "/metrics": metricsWith(async () => (await this.register?.metrics()) ?? ""),
    };
    const options = { variable: "METRICS_PORT", port: config.metricsPort, logger: this.logger };
    const server = createServer(options, listenerFor(routes));
    // before the node has started, so that a probe can distinguish a waiting node from one that hangs
    const listening = once(server, "listening");
    server.listen(config.metricsPort);
    // the mixin's own server ignores the case of paths, and its route needs an older prom-client
    this.server = { server, get() {}, listen: () => listening };
  },
};
