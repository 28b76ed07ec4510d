import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { waitFor } from "./wait-for.ts";

/** The service in a process of its own, as `npm start` runs it. */
export type ServiceProcess = {
  child: ChildProcess;
  url: string;
  nodeUrl: string;
  /** All that it has printed. */
  printed(): string;
  /** Its exit code, or the signal that ended it, once it has ended. */
  ended: Promise<number | string>;
  /** Resolves when it is ready; rejects where it ends before. */
  ready(ms?: number): Promise<void>;
  /** Ends it, if it still runs, and removes its folder. */
  remove(): Promise<void>;
};

export const INTERNAL_TOKEN = "an-internal-token-of-at-least-32-characters";
const ROOT = join(import.meta.dirname, "../..");

/** The status of an answer, 0 where there is none. */
export const statusOf = (url: string): Promise<number> =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  );

const running: ChildProcess[] = [];
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Spawns it on ports and a folder of its own. `services` are files of services that join it. */
export async function spawnService(
  env: Record<string, string>,
  { services = [], ipc = false }: { services?: string[]; ipc?: boolean } = {},
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
    cwd: ROOT,
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
    async ready(ms = 15_000) {
      const gone = ended.then((how) => Promise.reject(new Error(`It ended with ${how}: ${printed}`)));
      await Promise.race([
        waitFor(async () => (await statusOf(`${nodeUrl}/health/ready`)) === 200, ms),
        gone,
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

/** A POST of a new user, as another service. Rejects where there is no answer. */
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
