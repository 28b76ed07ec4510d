import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import MoleculerPrometheus from "moleculer-prometheus";
import { parse } from "yaml";
import "../../services/api/api.service.ts";
import "../../services/avatars/avatars.service.ts";
import "../../services/identities/identities.service.ts";
import "../../services/ingest/ingest.service.ts";
import "../../services/outbox/outbox.service.ts";
import "../../services/users/users.service.ts";
import { registry } from "../../lib/runtime/metrics.ts";
import { PrometheusService } from "../../services/metrics/metrics.service.ts";

const OPS = join(import.meta.dirname, "../../ops");
const read = (path: string) => readFileSync(join(OPS, path), "utf8");

type Alert = { alert: string; expr: string; annotations: { runbook: string } };
const { groups } = parse(read("prometheus/alerts.yml")) as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);

type Panel = { title: string; targets?: { expr: string }[] };
const dashboards = readdirSync(join(OPS, "grafana"))
  .filter((file) => file.endsWith(".json"))
  .map((file) => JSON.parse(read(`grafana/${file}`)) as { uid: string; panels: Panel[] });

/** Words of PromQL that are not metrics. Functions are recognised by the parenthesis after them. */
const KEYWORDS = new Set(["and", "by", "or", "unless", "without", "on", "ignoring"]);

/** The metrics that a query asks for. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, "")
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, "");
  return [...bare.matchAll(/\b[a-z_][a-z0-9_]*\b(?!\s*\()/g)]
    .map(([word]) => word)
    .filter((word) => !KEYWORDS.has(word));
}

type Metrics<Definition> = { metrics: Record<string, Definition> };

/** All series that a node exposes, and `up`, which Prometheus adds. */
function known(): Set<string> {
  const ours = registry.getMetricsAsArray().flatMap(({ name, type }) => {
    const histogram = String(type) === "histogram";
    return histogram ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name];
  });
  const { metrics: renamed } = PrometheusService.settings as Metrics<{ name: string } | null>;
  const { metrics: moleculers } = MoleculerPrometheus.settings as Metrics<object>;
  const theirs = Object.keys(moleculers).flatMap((name) => renamed[name]?.name ?? []);
  return new Set([...ours, ...theirs, "up"]);
}

test.each(dashboards)("every metric of the dashboard $uid is exposed by a node", ({ panels }) => {
  const exprs = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(exprs.length).toBeGreaterThan(10);
  for (const expr of exprs) {
    expect(metricsIn(expr)).not.toEqual([]);
    for (const metric of metricsIn(expr)) expect(known()).toContain(metric);
  }
});

test.each(alerts)("every metric of the alert $alert is exposed by a node", ({ expr }) => {
  expect(metricsIn(expr)).not.toEqual([]);
  for (const metric of metricsIn(expr)) expect(known()).toContain(metric);
});

test("the metric that the Helm chart scales by is exposed by a node", () => {
  const [, metric] =
    /metric: \{ name: (\w+) \}/.exec(read("helm/user-service/templates/autoscalers.yaml")) ?? [];
  expect(known()).toContain(metric);
});

test("every alert has a runbook entry and a test, and every runbook entry has an alert", () => {
  const headings = [...read("../docs/runbook.md").matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(alerts.map(({ alert }) => alert));
  for (const { alert, annotations } of alerts) {
    expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
    expect(read("prometheus/alerts.test.yml")).toContain(`- alertname: ${alert}\n`);
  }
});

test("the names of counters end in _total, and no other names do", () => {
  for (const { name, type } of registry.getMetricsAsArray())
    expect([name, name.endsWith("_total")]).toEqual([name, String(type) === "counter"]);
});
