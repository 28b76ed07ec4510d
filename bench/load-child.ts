import autocannon from "autocannon";
import type { Job, Outcome } from "./load.ts";
import { median, quantile } from "./statistics.ts";

/** The process that load.ts starts: sends the requests of a job and returns the outcome. */

async function fire({ url, connections, seconds = 1, amount, requests }: Job): Promise<Outcome> {
  const idReplacement = requests.some(({ body }) => body !== undefined);
  // each connection begins at another request: otherwise all of them ask for the same thing at the same moment
  let connection = 0;
  const setupClient = (client: autocannon.Client) => {
    const first = Math.floor((connection++ * requests.length) / connections);
    client.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
  };
  const options = {
    ...{ url, connections, duration: seconds, amount, requests, idReplacement, sampleInt: 100 },
    setupClient,
  };

  // autocannon's own figures are in whole milliseconds and include its preparation
  const times: number[] = [];
  let [first, last] = [0, 0];
  const { errors, ...statuses } = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
    instance.on("response", (_client, _status, _bytes, ms) => {
      last = performance.now();
      first ||= last;
      times.push(ms);
    });
  });
  return {
    failed: errors + statuses["4xx"] + statuses["5xx"],
    count: times.length,
    rate: (1000 * (times.length - 1)) / (last - first),
    latency: median(times),
    p99: quantile(times, 0.99),
  };
}

process.on("message", (job: Job) =>
  fire(job).then(
    (outcome) => process.send?.(outcome),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  ),
);
