import { cpus } from "node:os";
import { isMet, judged, type Measurement, median, type Target } from "./statistics.ts";

/** The results as a Markdown table. */

/** The conditions under which the figures were measured. */
export const CONDITIONS = [
  `Node ${process.version} on ${cpus().length} × ${cpus()[0]?.model}, shared by the measured server, PostgreSQL, Kafka and the load generator.`,
  "Throughput over 32 connections, latency (the lists) over one. PostgreSQL with default durability; 10 connections per server.",
  "NODE_ENV is not set; LOG_LEVEL=info, JSON to /dev/null. The bare programs check the same tokens and log nothing.",
].join("\n");

const HEAD = [
  "Measurement",
  "Ratio (median)",
  "Spread (min–max)",
  "Ours (median)",
  "Reference (median)",
  "Target",
  "Met",
];

export function toTable(measurements: Measurement[]): string {
  const lines = [
    HEAD,
    HEAD.map((_, column) => (column === 0 ? "---" : "---:")),
    ...measurements.map(toCells),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function toCells(measurement: Measurement): string[] {
  const { name, unit, ours, reference, target } = measurement;
  const values = judged(measurement);
  const shown = (value: number) => (reference ? value.toFixed(2) : `${number(value)} ${unit}`);
  return [
    name,
    reference ? shown(median(values)) : "–",
    `${reference ? shown(Math.min(...values)) : number(Math.min(...values))}–${shown(Math.max(...values))}`,
    `${number(median(ours))} ${unit}`,
    reference ? `${number(median(reference))} ${unit}` : "–",
    target ? limit(target, shown) : "–",
    !target ? "–" : isMet(measurement, target) ? "yes" : "**no**",
  ];
}

const limit = (target: Target, shown: (value: number) => string) =>
  "atLeast" in target ? `≥ ${shown(target.atLeast)}` : `≤ ${shown(target.atMost)}`;

/** Three significant digits: such measurements are not more precise. */
const number = (value: number) =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
