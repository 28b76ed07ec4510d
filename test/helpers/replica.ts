import { execFile } from "node:child_process";
import { appendFile, chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { findBinaries, provideBinaries } from "../../lib/postgres/postgres-binaries.ts";
import { PostgresServer } from "../../lib/postgres/postgres-server.ts";

const exec = promisify(execFile);

/** A primary and its streaming replica, each on its own Unix socket. */
export type Replicated = {
  /** The environment that points a service at both. */
  env: Record<string, string>;
  /** Runs SQL on the replica as a superuser; returns the rows. */
  onReplica<Row>(text: string): Promise<Row[]>;
  /** Sends a signal to all processes of the replica. After a SIGKILL it is restarted. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): Promise<void>;
  stopReplica(): Promise<void>;
  startReplica(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts both. The replica begins as a copy of the primary's files. */
export async function startReplicated(): Promise<Replicated> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-replica-"));
  await chmod(dataDir, 0o755); // lets PostgreSQL's account enter it if root runs the tests
  const { stop: stopFirst, ...login } = await startEmbeddedPostgres({ dataDir, database: "users" });
  await stopFirst();
  const cluster = join(dataDir, "cluster");
  const copy = join(dataDir, "replica");
  await exec("cp", ["-a", cluster, copy]);
  await writeFile(join(copy, "data/standby.signal"), "");
  const conninfo = `host=${login.host} user=${login.user} password=${login.password}`;
  await appendFile(join(copy, "data/postgresql.auto.conf"), `primary_conninfo = '${conninfo}'\n`);
  const account = await stat(cluster);
  const binaries = await provideBinaries(findBinaries(), dataDir, account);
  const open = async (folder: string) => {
    const server = new PostgresServer({
      binaries,
      data: join(folder, "data"),
      socketFolder: folder,
      logFile: join(folder, "postgres.log"),
      account,
      settings: { fsync: "off" },
    });
    await server.start();
    return server;
  };
  const primary = await open(cluster);
  let replica = await open(copy);

  return {
    env: {
      DATABASE_HOST: login.host,
      DATABASE_USER: login.user,
      DATABASE_PASSWORD: login.password,
      DATABASE_NAME: login.database,
      DATABASE_READ_URL: `postgres://${encodeURIComponent(copy)}`,
    },
    async onReplica(text) {
      const client = new pg.Client({ ...login, host: copy });
      await client.connect();
      try {
        return (await client.query(text)).rows;
      } finally {
        await client.end();
      }
    },
    async signal(signal) {
      const [pid = ""] = (await readFile(join(copy, "data/postmaster.pid"), "utf8")).split("\n");
      const { stdout: children } = await exec("pgrep", ["-P", pid]);
      for (const one of [pid, ...children.trim().split("\n")]) process.kill(Number(one), signal);
    },
    stopReplica: () => replica.stop(),
    async startReplica() {
      replica = await open(copy);
    },
    async stop() {
      await replica.stop();
      await primary.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
