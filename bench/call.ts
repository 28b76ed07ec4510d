import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { progress } from "../cli/progress.ts";
import { alternate } from "./alternate.ts";
import type { End, Way } from "./echo.ts";
import { onKafka } from "./kafka.ts";
import type { Bench } from "./part.ts";
import { type Measurement, median } from "./statistics.ts";

/** Calls between nodes over Kafka: the broker's overhead over a bare round trip, and the gain of our transporter. */
export const call = onKafka("call", async (bench, brokers) => {
  progress("call: two processes for each of three ways");
  const [ours, stock, raw] = await Promise.all(
    (["ours", "stock", "raw"] as const).map((way) => connect(way, brokers)),
  );
  if (!ours || !stock || !raw) throw new Error("A way is missing");
  const measurements = [await compareLatency(bench, ours, raw)];
  for (const [inFlight, atLeast] of IN_FLIGHT)
    measurements.push(await compareRates(bench, inFlight, atLeast, ours, stock));
  await Promise.all([ours, stock, raw].map((way) => way.close()));
  return measurements;
});

/** The number of concurrent calls, and the gain that our transporter must reach. */
const IN_FLIGHT = [
  [1, 0.9],
  [16, 1],
  [64, 1],
  [256, 5],
] as const;

const ROUNDS = 5;

/**
 * Both ends, each in a process of its own. Our transporter reads the configuration when it is loaded: not before run.ts
 * has set DATA_DIR.
 */
async function connect(way: Way, brokers: string[]): Promise<End> {
  const { openAsking } = await import("./echo.ts");
  const child = fork(join(import.meta.dirname, "echo-child.ts"), [way, ...brokers]);
  await once(child, "message");
  const end = await openAsking(way, brokers);
  return {
    ask: end.ask,
    async close() {
      await end.close();
      child.disconnect();
    },
  };
}

async function compareLatency(bench: Bench, ours: End, raw: End): Promise<Measurement> {
  const name = "An action called over Kafka, 1 in flight, p50; a bare round trip";
  const amount = bench.quick ? 100 : 500;
  const latency = (end: End) => async () => {
    const times: number[] = [];
    for (let i = 0; i < amount; i++) {
      const start = performance.now();
      await end.ask();
      times.push(performance.now() - start);
    }
    return median(times);
  };
  const results = await alternate(name, ROUNDS, latency(ours), latency(raw));
  return { name, unit: "ms", ...results, target: { atMost: 1.3 } };
}

async function compareRates(
  bench: Bench,
  inFlight: number,
  atLeast: number,
  ours: End,
  stock: End,
): Promise<Measurement> {
  const name = `Actions called over Kafka, ${inFlight} in flight; Moleculer's transporter`;
  const seconds = bench.quick ? 1 : 2;
  const rate = (end: End) => async () => {
    const start = performance.now();
    const stop = start + 1000 * seconds;
    let calls = 0;
    const askOn = async () => {
      for (; performance.now() < stop; calls++) await end.ask();
    };
    await Promise.all(Array.from({ length: inFlight }, askOn));
    return (1000 * calls) / (performance.now() - start);
  };
  const results = await alternate(name, ROUNDS, rate(ours), rate(stock));
  return { name, unit: "calls/s", ...results, target: { atLeast } };
}
