import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import supertest from "supertest";
import { freePort } from "./free-port.ts";
import { statusOf } from "./process.ts";
import { INTERNAL_TOKEN } from "./service.ts";
import { waitFor } from "./wait-for.ts";

/** A node in a separate process, with the environment of the tests. */
export type TestNode = {
  url: string;
  http: ReturnType<typeof supertest>;
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
};

/** Starts a node with its own database schema, and resolves when it is ready. */
export async function startNode(env: Record<string, string> = {}): Promise<TestNode> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-node-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const child = spawn("npm", ["start", "--silent"], {
    env: {
      ...process.env,
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      DATA_DIR: dataDir,
      DATABASE_SCHEMA: `e2e_${crypto.randomUUID().replaceAll("-", "")}`,
      INTERNAL_TOKEN,
      LOG_LEVEL: "error",
      NODE_OPTIONS: "",
      ...env,
    },
    stdio: ["ignore", "inherit", "inherit"],
    detached: true, // its own process group, so that the signal reaches the service below npm
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const url = `http://127.0.0.1:${port}`;
  const nodeUrl = `http://127.0.0.1:${metricsPort}`;
  const kill = () => process.kill(-(child.pid ?? 0), "SIGKILL");
  process.once("exit", kill);
  exited.then(() => process.off("exit", kill));
  const isReady = async () => (await statusOf(`${nodeUrl}/health/ready`)) === 200;
  await waitFor(isReady, 60_000);
  return {
    url,
    http: supertest(url),
    async stop() {
      process.kill(-(child.pid ?? 0), "SIGTERM");
      const code = await exited;
      await rm(dataDir, { recursive: true, force: true });
      return code;
    },
  };
}
