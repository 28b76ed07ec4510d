import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Account, programEnv } from "./postgres-binaries.ts";

/** A supervised PostgreSQL server: it is restarted when it dies, and stops with this process. */

export type ServerOptions = {
  /** The folder of PostgreSQL's programs. */
  binaries: string;
  /** The data folder, created by initdb. */
  data: string;
  /** The folder for the Unix socket. */
  socketFolder: string;
  logFile: string;
  account: Account;
  settings: Record<string, string>;
};

const LOOK_EVERY_MS = 200;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const STOP_PATIENCE_MS = 8_000;

/** How many launches may fail, within about 5 s, before start() gives up. */
const PATIENT_LAUNCHES = 6;

/** Higher than any process id on Linux and macOS. */
const IMPOSSIBLE_PID = "4194305";

/**
 * Becomes PostgreSQL, and leaves a watchdog that requests its shutdown when the pipe on stdin closes: the system closes
 * it when Node dies, even by kill -9.
 */
const LAUNCH = `exec 3<&0 </dev/null; ( (cat <&3; kill -INT $$) >/dev/null 2>&1 & ); exec "$0" "$@" 3<&-`;

/** The server of a data folder: ours, or a sibling's, which we share and replace when it stops. */
export class PostgresServer {
  readonly #options: ServerOptions;
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #launchesInARow = 0;
  #nextLaunch = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the server accepts connections, however long its crash recovery takes. From then on it is restarted
   * when it dies, until stop().
   *
   * @throws Error if it cannot be launched
   */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#keepUp(), LOOK_EVERY_MS).unref();
    while (!this.#keepUp()) {
      if (this.#launchesInARow > PATIENT_LAUNCHES) {
        throw new Error(`PostgreSQL does not start: see ${this.#options.logFile}`);
      }
      await sleep(10);
    }
  }

  /** Resolves when our server is down; a sibling's keeps running. May be called again. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const server = this.#process;
    if (!isRunning(server)) return;
    server.kill("SIGINT"); // a fast shutdown, which does not wait for its clients
    const force = setTimeout(() => server.kill("SIGQUIT"), STOP_PATIENCE_MS);
    while (isRunning(server)) await sleep(10);
    clearTimeout(force);
  }

  /** Launches the server if there is none. Returns whether it is ready. */
  #keepUp(): boolean {
    const server = this.#find();
    if (server?.isReady) this.#launchesInARow = 0;
    const isMissing = !server && !isRunning(this.#process);
    if (isMissing && performance.now() >= this.#nextLaunch) this.#launch();
    return server?.isReady ?? false;
  }

  /** Finds the server that runs on the data folder, also if another process launched it. */
  #find(): { isReady: boolean } | undefined {
    const { data } = this.#options;
    const lines = readIfThere(path.join(data, "postmaster.pid"))?.split("\n");
    if (!lines) return undefined;
    const pid = Number(lines[0]);
    const isOurs = isRunning(this.#process) && this.#process.pid === pid;
    if (!isOurs && !servesData(pid, data)) return undefined;
    return { isReady: lines[7]?.startsWith("ready") ?? false };
  }

  #launch(): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#launchesInARow, LONGEST_PAUSE_MS);
    this.#nextLaunch = performance.now() + pause;
    this.#launchesInARow += 1;
    try {
      this.#process = launch(this.#options);
    } catch {
      // For example, the disk is full: the next launch may succeed.
    }
  }
}

function launch({ binaries, data, socketFolder, logFile, account, settings }: ServerOptions): ChildProcess {
  freeLock(path.join(data, "postmaster.pid"), data);
  freeLock(path.join(socketFolder, ".s.PGSQL.5432.lock"), data);

  const flags = Object.entries({
    unix_socket_directories: `"${socketFolder}"`, // a list: in quotes, a comma in a path is no separator
    listen_addresses: "", // nothing on the network, and no port to choose
    log_min_messages: "log", // a failed statement may contain personal data, and its caller gets the error anyway
    ...settings,
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

  const log = openSync(logFile, "a");
  const server = spawn("/bin/sh", ["-c", LAUNCH, `${binaries}/bin/postgres`, "-D", data, ...flags], {
    ...account,
    cwd: "/",
    env: programEnv,
    detached: true, // Ctrl-C reaches Node only, which stops PostgreSQL last
    stdio: ["pipe", log, log],
  });
  closeSync(log);
  server.on("error", () => {}); // no process could be created: the next launch may succeed
  server.unref();
  return server;
}

/**
 * Invalidates the process id in a lock file that would mislead PostgreSQL: the server that wrote it is dead, but its id
 * now belongs to another program or to a zombie; or it died before it wrote anything. The rest of the file stays,
 * because it shows PostgreSQL whether connections of the dead server still work on the data.
 */
function freeLock(lockFile: string, data: string): void {
  const content = readIfThere(lockFile);
  if (content === undefined) return;
  const pid = Number.parseInt(content, 10);
  const misleads = content === "" || (isTaken(pid) && !servesData(pid, data));
  if (misleads) writeFileSync(lockFile, content.replace(/^\d*/, IMPOSSIBLE_PID));
}

function isTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isRunning(child: ChildProcess | undefined): child is ChildProcess {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function servesData(pid: number, data: string): boolean {
  return commandLine(pid).includes(data);
}

/** Empty if the process does not exist or is a zombie. */
function commandLine(pid: number): string {
  if (existsSync("/proc/self/cmdline")) return readIfThere(`/proc/${pid}/cmdline`) ?? "";
  return spawnSync("ps", ["-ww", "-o", "command=", "-p", `${pid}`], { encoding: "utf8" }).stdout ?? "";
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
