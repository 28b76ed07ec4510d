import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The servers that are measured, each in its own process. */

export type Server = { url: string; process: ChildProcess; stop(): Promise<void> };

const ROOT = join(import.meta.dirname, "..");

/** The command of `npm start` without the .env file, which may differ between machines. */
const serviceOn = (config: string) => [
  "node_modules/moleculer/bin/moleculer-runner.js",
  ...["--config", config, "--mask", "**/!(database|metrics).service.ts"],
];

const READY_WITHIN = 60_000; // ms

type Launching = {
  nodeFlags?: string[];
  config?: string;
  /** Files of Moleculer services to load as well. */
  services?: string[];
};

/** Starts the service; it may not be ready yet. */
export const launchService = (
  env: Record<string, string>,
  { nodeFlags = [], config = "moleculer.config.ts", services = [] }: Launching = {},
): Promise<Server> => launch([...nodeFlags, ...serviceOn(config), ...services], env);

/** Starts the service and waits until it is ready. */
export async function startService(env: Record<string, string>, options?: Launching): Promise<Server> {
  const server = await launchService(env, options);
  await untilAnswer(`${server.url}/health/ready`);
  return server;
}

/** Starts a bare program of this folder and waits for any answer, because it has no health route. */
export async function startBare(program: string, env: Record<string, string>): Promise<Server> {
  const server = await launch([join(import.meta.dirname, program)], env);
  await untilAnswer(server.url, {}, () => true);
  return server;
}

/** Requests until the answer is a success. */
export async function untilAnswer(
  url: string,
  headers: Record<string, string> = {},
  isGood = (status: number): boolean => status < 300,
): Promise<void> {
  const end = performance.now() + READY_WITHIN;
  while (performance.now() < end) {
    const status = await fetch(url, { headers }).then(
      async (answer) => {
        await answer.text();
        return answer.status;
      },
      () => undefined,
    );
    if (status !== undefined && isGood(status)) return;
    await sleep(5);
  }
  throw new Error(`${url} does not answer`);
}

/** Servers get only these variables of our environment: NODE_ENV is not set, and logs are JSON. */
async function launch(args: string[], env: Record<string, string>): Promise<Server> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const { PATH = "", DATA_DIR = "" } = process.env;
  const stdio: StdioOptions = ["ignore", "ignore", "inherit", "ipc"]; // "ignore" is /dev/null
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio,
    env: {
      ...{ PATH, DATA_DIR, SERVICEDIR: "services", LOG_LEVEL: "info" },
      ...{ PORT: String(port), METRICS_PORT: String(metricsPort) },
      ...env,
    },
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    url: `http://127.0.0.1:${port}`,
    process: child,
    async stop() {
      process.off("exit", kill);
      if (child.exitCode !== null) return;
      child.kill();
      await once(child, "exit");
    },
  };
}

/** The peak memory of a server, in MB; NaN on systems without /proc. */
export function peakRss({ process: { pid } }: Server): number {
  try {
    const [, kB] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kB) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** The CPU time that a server has used; NaN on systems without /proc. */
export function cpuSeconds({ process: { pid } }: Server): number {
  try {
    const [, ticks = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") "); // the name may contain spaces
    const [user, system] = ticks.split(" ").slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / TICKS;
  } catch {
    return Number.NaN;
  }
}
const TICKS = 100; // per second, on all common builds of Linux

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
