import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { waitFor } from "./wait-for.ts";

/** The service in a separate process, started like `npm start`. */
export type ServiceProcess = {
  child: ChildProcess;
  url: string;
  nodeUrl: string;
  /** Its whole output so far, stdout and stderr. */
  printed(): string;
  /** Its exit code, or the signal that ended it, once it has ended. */
  ended: Promise<number | string>;
  /** Resolves when it is ready; rejects if it exits before that. */
  ready(ms?: number): Promise<void>;
  /** Kills it, if it still runs, and removes its folder. */
  remove(): Promise<void>;
};

export const INTERNAL_TOKEN = "an-internal-token-of-at-least-32-characters";
export const ROOT = join(import.meta.dirname, "../..");

/** Node caches compiled modules here, which halves the CPU time of a start. */
export const COMPILE_CACHE = join(ROOT, "node_modules/.cache/node");

/** The status of the response, or 0 if there is none. */
export const statusOf = (url: string): Promise<number> =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  );

const running: ChildProcess[] = [];
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts the service on free ports with its own folder. `services` are files of Moleculer services to load with it;
 * `root` is the folder of its source.
 */
export async function spawnService(
  env: Record<string, string>,
  { services = [], ipc = false, root = ROOT }: { services?: string[]; ipc?: boolean; root?: string } = {},
): Promise<ServiceProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-process-"));
  const whole: Record<string, string | undefined> = {
    PATH: process.env.PATH,
    SERVICEDIR: "services",
    PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
    DATA_DIR: dataDir,
    LOG_LEVEL: "fatal",
    INTERNAL_TOKEN,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...env,
  };
  const runner = "node_modules/moleculer/bin/moleculer-runner.js";
  const args = [
    runner,
    "--config",
    "moleculer.config.ts",
    "--mask",
    "**/!(database|metrics).service.ts",
    ...services,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: whole,
    stdio: ["ignore", "pipe", "pipe", ...(ipc ? (["ipc"] as const) : [])],
  });
  running.push(child);
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => {
      printed += chunk;
    });
  const ended = new Promise<number | string>((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal ?? "")),
  );
  const nodeUrl = `http://127.0.0.1:${whole.METRICS_PORT}`;
  return {
    child,
    url: `http://127.0.0.1:${whole.PORT}`,
    nodeUrl,
    printed: () => printed,
    ended,
    async ready(ms = 30_000) {
      const exited = ended.then((how) =>
        Promise.reject(new Error(`The service exited with ${how}: ${printed}`)),
      );
      await Promise.race([
        waitFor(async () => (await statusOf(`${nodeUrl}/health/ready`)) === 200, ms),
        exited,
      ]);
    },
    async remove() {
      child.kill("SIGKILL");
      await ended;
      await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

let people = 0;

/** Creates a user with the internal token. Rejects if there is no response. */
export async function postUser(
  url: string,
): Promise<{ status: number; retryAfter: string | null; id?: string }> {
  const name = `p${process.pid}-${++people}`;
  const answer = await fetch(`${url}/api/v1/users`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-token": INTERNAL_TOKEN },
    body: JSON.stringify({ keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Ada" } }),
  });
  const { id } = (await answer.json()) as { id?: string };
  return { status: answer.status, retryAfter: answer.headers.get("retry-after"), id };
}
