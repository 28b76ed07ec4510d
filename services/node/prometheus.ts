import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import Prometheus from "moleculer-prometheus";
import { config } from "../shared/config.ts";
import { registry } from "../shared/metrics.ts";
import { live, ready } from "./health.routes.ts";
import { exitWherePortIsTaken } from "./ports.ts";

type Polka = {
  server?: http.Server;
  get(path: string, handler: (req: IncomingMessage, res: ServerResponse) => unknown): void;
  listen(port: number): Promise<void>;
};
type State = { server: Polka; register: { metrics(): Promise<string> } };

/** Each node's own metrics and probes, on METRICS_PORT: moleculer-prometheus's server, with our figures beside its own. */
export const PrometheusService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "prometheus",
  mixins: [Prometheus],
  settings: { port: config.metricsPort, collectDefaultMetrics: false } as ServiceSettingSchema,

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
