import { readFileSync } from "node:fs";
import { alternate } from "./alternate.ts";
import type { Request } from "./load.ts";
import { type Bench, CONNECTIONS, shortRoundsOf } from "./part.ts";
import type { Server } from "./servers.ts";
import type { Measurement, Target } from "./statistics.ts";

/**
 * A server to measure. `settle` waits for work that continues after the answers, and returns how much was unfinished.
 */
export type Side = { server: Server; requests: Request[]; settle?: () => Promise<number> };

/** Two lines of the table, round by round: the rate of requests, and the server's CPU time per request. */
export async function compareRequests(
  bench: Bench,
  name: string,
  target: Target | undefined,
  ours: Side,
  reference: Side,
): Promise<Measurement[]> {
  const { rounds, seconds } = shortRoundsOf(bench);
  const cpu = new Map<Side, number[]>([
    [ours, []],
    [reference, []],
  ]);
  const measure = (side: Side) => async () => {
    const { server, requests, settle = async () => 0 } = side;
    const before = cpuTimeOf(server);
    const { rate, count } = await bench.load.fire({
      url: server.url,
      connections: CONNECTIONS,
      seconds,
      requests,
    });
    const unsettled = await settle();
    cpu.get(side)?.push((1_000_000 * (cpuTimeOf(server) - before)) / count);
    return rate - unsettled / seconds; // unfinished work does not count
  };
  const rates = await alternate(name, rounds, measure(ours), measure(reference));
  const withoutWarmUp = (side: Side) => cpu.get(side)?.slice(1) ?? [];
  return [
    { name, unit: "req/s", ...rates, target },
    {
      name: `${name}: server CPU per request`,
      unit: "µs",
      ours: withoutWarmUp(ours),
      reference: withoutWarmUp(reference),
    },
  ];
}

/** How often Linux counts CPU time, per second. */
const TICKS = 100;

/** The CPU time of all threads of a server so far, in seconds; NaN on systems without /proc. */
function cpuTimeOf({ process: { pid } }: Server): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS; // utime and stime
  } catch {
    return Number.NaN;
  }
}
