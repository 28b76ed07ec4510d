import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { findBinaries } from "../../lib/postgres/postgres-binaries.ts";

const folders: string[] = [];
let sharedFolder: string;
let dataDir: string;
let started: EmbeddedPostgres[];
let processes: ChildProcess[];

beforeAll(async () => {
  sharedFolder = await newFolder(); // most tests share a folder, because initdb takes a second
});

beforeEach(() => {
  dataDir = sharedFolder;
  started = [];
  processes = [];
});

afterEach(async () => {
  for (const child of processes) child.kill("SIGKILL");
  for (const postgres of started) await postgres.stop();
});

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, maxRetries: 5 });
});

test("embedded PostgreSQL: a committed row survives kill -9 of the server, which is restarted each time", async () => {
  const postgres = await start();
  await query(postgres, "CREATE TABLE crash AS SELECT 'survived' AS row");

  for (let kills = 0; kills < 3; kills += 1) {
    process.kill(await serverPid(), "SIGKILL");
    await soon(async () => expect(await query(postgres, "TABLE crash")).toEqual([{ row: "survived" }]));
  }
});

test("embedded PostgreSQL: a committed row survives kill -9 of Node, and the server stops after Node", async () => {
  const { node, postgres } = await startInAnotherProcess();
  await query(postgres, "CREATE TABLE orphaned AS SELECT 'survived' AS row");

  node.kill("SIGKILL");
  await soon(() => expectDown(postgres));

  expect(await query(await start(), "TABLE orphaned")).toEqual([{ row: "survived" }]);
});

test("embedded PostgreSQL: a restarted server also stops after Node", async () => {
  const { node, postgres } = await startInAnotherProcess();
  process.kill(await serverPid(), "SIGKILL");
  await soon(() => query(postgres, "SELECT 1"));

  node.kill("SIGKILL");
  await soon(() => expectDown(postgres));
});

test("embedded PostgreSQL: a start succeeds right after kill -9 of Node, while the old server is still shutting down", async () => {
  const { node } = await startInAnotherProcess();
  node.kill("SIGKILL");
  const postgres = await start();
  await soon(() => query(postgres, "SELECT 1"));
});

test("embedded PostgreSQL: two processes that start at once in a new folder share one server, and one keeps it running after the other stopped", async () => {
  dataDir = await newFolder();
  const [one, other] = await Promise.all([start(), start()]);
  await query(one, "CREATE TABLE met AS SELECT 'here' AS row");
  expect(await query(other, "TABLE met")).toEqual([{ row: "here" }]);

  await one.stop();
  await soon(async () => expect(await query(other, "TABLE met")).toEqual([{ row: "here" }]));
});

test("embedded PostgreSQL: stopping a process that shares a server does not stop the server", async () => {
  const postgres = await start();
  const pid = await serverPid();
  const late = await start();

  await late.stop();
  await query(postgres, "SELECT 1");
  expect(await serverPid()).toBe(pid);
});

test("embedded PostgreSQL: the next start succeeds after kill -9 during initdb", async () => {
  dataDir = await newFolder();
  const node = spawnStarter();
  await soon(async () => expect(await draftedFiles()).toContain("PG_VERSION"));
  process.kill(-Number(node.pid), "SIGKILL"); // the process group, which includes initdb

  expect(await query(await start(), "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(await readdir(dataDir)).toEqual(["cluster"]);
});

test("embedded PostgreSQL: stop() stops the server permanently, and a second stop() has no effect", async () => {
  const postgres = await start();
  await postgres.stop();
  await expectDown(postgres);

  await postgres.stop();
  await sleep(500); // long enough for the supervisor to restart it, if it still ran
  await expectDown(postgres);
});

test("embedded PostgreSQL: the server uses the given settings", async () => {
  const postgres = await start({ work_mem: "5MB" });
  expect(await query(postgres, "SHOW work_mem")).toEqual([{ work_mem: "5MB" }]);
});

test("embedded PostgreSQL: the error on an unsupported platform names DATABASE_HOST", () => {
  expect(() => findBinaries("win32", "x64")).toThrow(
    "No embedded PostgreSQL for win32-x64: set DATABASE_HOST to your own PostgreSQL",
  );
});

const asRoot = process.getuid?.() === 0 ? test : test.skip; // only root may become another user

asRoot(
  "embedded PostgreSQL: a user id without a name is refused with one line, and no files are created",
  async () => {
    dataDir = await newFolder();
    await chown(dataDir, 12_345, 12_345);
    const node = spawnStarter({ uid: 12_345, gid: 12_345, stdio: ["ignore", "pipe", "pipe"] });
    const printed = (await (node.stderr as Readable).toArray()).join("");
    expect(printed).toMatch(
      /Error: PostgreSQL needs an entry in \/etc\/passwd for the user id 12345: .*DATABASE_HOST/,
    );
    expect(await readdir(dataDir)).toEqual([]);
  },
);

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "embedded-postgres-"));
  await chmod(folder, 0o755); // PostgreSQL's account enters it when root runs the tests
  folders.push(folder);
  return folder;
}

async function start(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, database: "users", settings });
  started.push(postgres);
  return postgres;
}

/** Starts PostgreSQL in a separate Node process. Returns the process and its connection parameters. */
async function startInAnotherProcess(): Promise<{ node: ChildProcess; postgres: EmbeddedPostgres }> {
  const node = spawnStarter();
  const [line] = await once(node.stdout as Readable, "data");
  return { node, postgres: JSON.parse(line) };
}

function spawnStarter(options: SpawnOptions = {}) {
  const launcher = new URL("../../lib/postgres/embedded-postgres.ts", import.meta.url);
  const script = `
    import { startEmbeddedPostgres } from "${launcher}";
    console.log(JSON.stringify(await startEmbeddedPostgres({ dataDir: "${dataDir}", database: "users" })));
    setInterval(() => {}, 1_000);
  `;
  const node = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    detached: true, // in a process group of its own
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  processes.push(node);
  return node;
}

async function query(postgres: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const { host, port, user, password, database } = postgres;
  const client = new pg.Client({ host, port, user, password, database });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

async function serverPid(): Promise<number> {
  return Number.parseInt(await readFile(path.join(dataDir, "cluster/data/postmaster.pid"), "utf8"), 10);
}

async function draftedFiles(): Promise<string[]> {
  const draft = (await readdir(dataDir)).find((name) => name.startsWith("cluster.draft-"));
  return draft ? readdir(path.join(dataDir, draft, "data")) : [];
}

async function expectDown(postgres: EmbeddedPostgres): Promise<void> {
  await expect(query(postgres, "SELECT 1")).rejects.toThrow("ENOENT"); // its socket no longer exists
}

/** Repeats a check until it passes; throws its error if it still fails after 30 s. */
async function soon(check: () => unknown): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(20);
    }
  }
}
