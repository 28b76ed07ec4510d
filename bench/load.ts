import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** The load generator, in a process of its own: nothing else runs on its event loop. */

/** `[<id>]` in a body is another text in each request. */
export type Request = {
  method: "GET" | "POST" | "PATCH";
  path: string;
  headers: Record<string, string>;
  body?: string;
};

/** Each connection sends the requests one after the other, round and round, until the time or the amount is over. */
export type Job = { url: string; connections: number; requests: Request[] } & (
  | { seconds: number; amount?: undefined }
  | { seconds?: undefined; amount: number }
);

/** `count` of answers, `rate` in requests a second, `latency` the median in ms, `p99` what all but one in a hundred are below. */
export type Outcome = { failed: number; count: number; rate: number; latency: number; p99: number };

export type Load = {
  /** @throws Error where a single request was refused or failed: then nothing was measured */
  fire(job: Job): Promise<Outcome>;
  stop(): void;
};

export function startLoad(): Load {
  const child = fork(join(import.meta.dirname, "load-child.ts"));
  const death = once(child, "exit").then(() => {
    throw new Error("The load generator died");
  });
  death.catch(() => {}); // stop() is one too
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
