import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** The load generator, in its own process: nothing else runs on its event loop. */

/** `[<id>]` in a body is replaced by another text in each request. */
export type Request = {
  method: "GET" | "POST" | "PATCH";
  path: string;
  headers: Record<string, string>;
  body?: string;
};

/** Each connection sends the requests one after the other, in a loop, until the time or the amount is reached. */
export type Job = { url: string; connections: number; requests: Request[] } & (
  | { seconds: number; amount?: undefined }
  | { seconds?: undefined; amount: number }
);

/** `count` of answers, `rate` in requests per second, `latency` the median in ms, `p99` the 99th percentile in ms. */
export type Outcome = { failed: number; count: number; rate: number; latency: number; p99: number };

export type Load = {
  /** @throws Error if any request was refused or failed: the measurement is then void */
  fire(job: Job): Promise<Outcome>;
  stop(): void;
};

export function startLoad(): Load {
  const child = fork(join(import.meta.dirname, "load-child.ts"));
  const death = once(child, "exit").then(() => {
    throw new Error("The load generator died");
  });
  death.catch(() => {}); // stop() causes it too
  return {
    async fire(job) {
      child.send(job);
      const [outcome]: Outcome[] = await Promise.race([once(child, "message"), death]);
      if (!outcome || outcome.failed > 0) throw new Error(`${job.url}: ${outcome?.failed} requests failed`);
      return outcome;
    },
    stop: () => child.disconnect(),
  };
}
