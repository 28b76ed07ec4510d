import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, lstat, mkdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import {
  type Account,
  createWhole,
  findBinaries,
  provideBinaries,
  run,
  succeeds,
} from "./postgres-binaries.ts";
import { PostgresServer } from "./postgres-server.ts";

/** A real PostgreSQL for a machine that has only Node and npm. */

/** How to reach the server, and how to stop it. */
export type EmbeddedPostgres = {
  /** The folder of its Unix socket; it does not listen on the network. */
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /**
   * Resolves when the server is down; it is killed after 8 s. A server that another process started keeps running. May
   * be called again.
   */
  stop(): Promise<void>;
};

const USER = "app";
const PORT = 5432;

/** The path of a socket may have 103 bytes on macOS and 107 on Linux. */
const LONGEST_SOCKET_PATH = 103;

/**
 * Starts PostgreSQL, or shares the one that a sibling process started on the same folder. It is restarted if it dies
 * before stop(), and stops when this process dies. It never keeps this process alive.
 *
 * @param options.dataDir where everything is stored; created if missing. If root starts it and PostgreSQL's account
 *   cannot enter this folder, a folder below /var/lib/user-service is used instead
 * @param options.database the database to connect to; created if missing
 * @param options.settings PostgreSQL's settings by name, for example `{ fsync: "off" }`
 * @throws Error if there are no binaries for this system, or PostgreSQL does not start
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  database: string;
  settings?: Record<string, string>;
}): Promise<EmbeddedPostgres> {
  const { dataDir, database, settings = {} } = options;
  const installed = findBinaries();
  const { home, account } = await chooseHome(dataDir);
  const binaries = await provideBinaries(installed, home, account);
  const cluster = await provideCluster(home, binaries, account);
  const host = await provideSocketFolder(cluster, account);

  const server = new PostgresServer({
    binaries,
    data: path.join(cluster, "data"),
    socketFolder: host,
    logFile: path.join(cluster, "postgres.log"),
    account,
    settings,
  });
  const password = await readFile(path.join(cluster, "password"), "utf8");
  const connection = { host, port: PORT, user: USER, password };
  try {
    await server.start();
    await provideDatabase(connection, database);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...connection, database, stop: () => server.stop() };
}

/** Chooses the folder for everything, and an account for PostgreSQL that can enter it. */
async function chooseHome(dataDir: string): Promise<{ home: string; account: Account }> {
  await mkdir(dataDir, { recursive: true });
  const wanted = await realpath(dataDir); // the same name for siblings that use different links
  const account = await chooseAccount(wanted);
  const canEnter = await succeeds("/bin/sh", ["-c", 'cd "$0"', wanted], account);
  if (canEnter) return { home: wanted, account };

  const elsewhere = `/var/lib/user-service/${fingerprint(wanted)}`;
  await mkdir(elsewhere, { recursive: true });
  for (const folder of [path.dirname(elsewhere), elsewhere]) await chmod(folder, 0o755); // whatever the umask
  return { home: elsewhere, account: await chooseAccount(elsewhere) };
}

/**
 * The current user, unless that is root, which PostgreSQL refuses: then the owner of the cluster, postgres or nobody.
 */
async function chooseAccount(home: string): Promise<Account> {
  const us = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (us.uid !== 0) return us;

  const cluster = path.join(home, "cluster");
  if (existsSync(cluster)) {
    const { uid, gid } = await stat(cluster);
    return { uid, gid };
  }

  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const named = (wanted: string) => accounts.find(([name]) => name === wanted);
  const [, , uid, gid] = named("postgres") ?? named("nobody") ?? [];
  if (!uid || !gid) throw new Error("PostgreSQL refuses root, and there is no account postgres or nobody");
  return { uid: Number(uid), gid: Number(gid) };
}

/** @throws Error if this user has no name, which initdb needs */
function demandName(): void {
  try {
    userInfo();
  } catch {
    throw new Error(
      `PostgreSQL needs an entry in /etc/passwd for the user id ${process.getuid?.()}: add one, or set DATABASE_HOST to your own PostgreSQL`,
    );
  }
}

/** Creates a cluster together with its password, or neither. */
async function provideCluster(home: string, binaries: string, account: Account): Promise<string> {
  const cluster = path.join(home, "cluster");
  if (!existsSync(cluster)) demandName();
  await createWhole(cluster, account, async (draft) => {
    const data = path.join(draft, "data");
    const passwordFile = path.join(draft, "password");
    await writeFile(passwordFile, randomBytes(24).toString("hex"), { mode: 0o600, flush: true });
    await chown(passwordFile, account.uid, account.gid);
    const access = ["--username", USER, "--pwfile", passwordFile, "--auth", "scram-sha-256"];
    // The built-in locale sorts text in the same way on every system and in every version.
    const language = [
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
    ];
    await run(`${binaries}/bin/initdb`, ["-D", data, ...access, ...language], account);
  });
  return cluster;
}

/** The cluster's folder, or one in /tmp if its path is too long for a socket. */
async function provideSocketFolder(cluster: string, account: Account): Promise<string> {
  const socket = path.join(cluster, `.s.PGSQL.${PORT}`);
  if (Buffer.byteLength(socket) <= LONGEST_SOCKET_PATH) return cluster;

  const folder = `/tmp/user-service-${fingerprint(cluster)}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid } = await lstat(folder); // any account can create it, even as a link to another folder
  if (uid !== account.uid && uid !== process.getuid?.()) throw new Error(`${folder} belongs to someone else`);
  await chown(folder, account.uid, account.gid);
  return folder;
}

function fingerprint(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** Creates the database, unless it exists. */
async function provideDatabase(connection: pg.ClientConfig, database: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const client = new pg.Client({ ...connection, database: "postgres" });
    client.on("error", () => {}); // the query rejects too
    try {
      await client.connect();
      const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [database]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
      return;
    } catch (error) {
      // A sibling creates it too, or is just shutting down the server that we share: retry.
      if (attempt === 10) throw error;
      await sleep(200);
    } finally {
      await client.end().catch(() => {});
    }
  }
}
