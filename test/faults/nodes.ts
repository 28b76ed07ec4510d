import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../helpers/free-port.ts";
import { type ServiceProcess, spawnService, statusOf } from "../helpers/process.ts";
import type { Door } from "./writers.ts";

/** A node that is killed and restarted: each life is a process with the same name and ports. */
export type FaultNode = {
  url: string;
  nodeUrl: string;
  /** Whether it was ready in this life, and is neither dead nor stopped. */
  isUp(): boolean;
  /** Starts a process from the source in `root`, by default the service under test. */
  start(root?: string): Promise<void>;
  isReady(): Promise<boolean>;
  ready(): Promise<void>;
  /** kill -9 */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | string>;
  /** The output of all its processes. */
  printed(): string;
};

/** The variables of our own environment that a node gets: the addresses of the servers. */
const servers = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(DATABASE|KAFKA|MINIO)_|^LOG_LEVEL$/.test(name)),
) as Record<string, string>;

/** In ms. */
const READY_WITHIN = 180_000;
const LOOK_EVERY = 100;

export async function createNode(env: Record<string, string>): Promise<FaultNode> {
  const [port, metricsPort] = [String(await freePort()), String(await freePort())];
  const nodeUrl = `http://127.0.0.1:${metricsPort}`;
  let service: ServiceProcess | undefined;
  let [up, leaving] = [false, false];
  const lives: ServiceProcess[] = [];

  const isReady = async () => !leaving && (await statusOf(`${nodeUrl}/health/ready`)) === 200;

  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    [up, leaving] = [false, true];
    service?.child.kill(signal);
    const how = (await service?.ended) ?? "";
    await service?.remove();
    service = undefined;
    return how;
  };

  /** Sets `up` when the process becomes ready, unless it ends before. */
  const watch = async (life: ServiceProcess) => {
    while (service === life && !up) {
      await sleep(LOOK_EVERY);
      if (await isReady()) up = service === life && !leaving;
    }
  };

  return {
    url: `http://127.0.0.1:${port}`,
    nodeUrl,
    isUp: () => up,
    async start(root) {
      const ports = { PORT: port, METRICS_PORT: metricsPort };
      const life = await spawnService({ ...servers, ...env, ...ports }, { root });
      [service, leaving] = [life, false];
      lives.push(life);
      life.ended.then((how) => {
        if (service === life && !leaving) console.log(`  ${env.NODEID} ended with ${how}: ${life.printed()}`);
      });
      void watch(life);
    },
    isReady,
    async ready() {
      for (const end = Date.now() + READY_WITHIN; service && !up; await sleep(LOOK_EVERY))
        if (Date.now() > end)
          throw new Error(`${env.NODEID} (${env.SERVICES}) did not become ready. ${service.printed()}`);
    },
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    printed: () => lives.map((life) => life.printed()).join(""),
  };
}

/** A gateway that may answer with 503 while `disturbed` returns true, and cut off requests while it is down or starting. */
export function doorOf(node: FaultNode, disturbed: () => boolean): Door {
  return { url: () => node.url, mayRefuse: disturbed, mayBreak: () => !node.isUp() };
}
