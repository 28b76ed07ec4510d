import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Account, programEnv } from "./postgres-binaries.ts";

/** A running PostgreSQL server, looked after: it is started again when it dies, and goes when we go. */

export type ServerOptions = {
  /** The folder of PostgreSQL's programs. */
  binaries: string;
  /** The data folder, made by initdb. */
  data: string;
  /** The folder for the Unix socket. */
  socketFolder: string;
  logFile: string;
  account: Account;
  settings: Record<string, string>;
};

const CHECK_EVERY_MS = 500;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const STOP_PATIENCE_MS = 8_000;

/** How many launches may fail, within about 5 s, before start() gives up. */
const PATIENT_LAUNCHES = 5;

/** Higher than any that Linux and macOS give. */
const IMPOSSIBLE_PID = "4194305";

/**
 * Becomes PostgreSQL, and leaves a watchdog that asks it to shut down when the pipe on stdin closes: the
 * system closes it when Node dies, even by kill -9.
 */
const LAUNCH = `exec 3<&0 </dev/null; ( (cat <&3; kill -INT $$) >/dev/null 2>&1 & ); exec "$0" "$@" 3<&-`;

/** The one server of a data folder: ours, or a sibling's that we share and replace when it goes. */
export class PostgresServer {
  readonly #options: ServerOptions;
  #process: ChildProcess | undefined;
  #launches = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the server accepts connections, however long it recovers from a crash. From then on it is
   * kept up until stop().
   *
   * @throws Error when it cannot be launched
   */
  async start(): Promise<void> {
    this.#keepUp();
    while (!this.#find()?.isReady) {
      if (this.#launches > PATIENT_LAUNCHES) {
        throw new Error(`PostgreSQL does not start: see ${this.#options.logFile}`);
      }
      await sleep(10);
    }
  }

  /** Resolves when the server is down, if it is ours; a sibling's goes on. May be called again. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const server = this.#process;
    if (!isRunning(server)) return;
    server.kill("SIGINT"); // a fast shutdown, which does not wait for its clients
    const force = setTimeout(() => server.kill("SIGQUIT"), STOP_PATIENCE_MS);
    while (isRunning(server)) await sleep(10);
    clearTimeout(force);
  }

  /** Looks after the server, now and from now on. */
  #keepUp(): void {
    const server = this.#find();
    if (server?.isReady) this.#launches = 0;
    if (!server && !isRunning(this.#process)) this.#launch();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#launches, LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.#keepUp(), server?.isReady ? CHECK_EVERY_MS : pause).unref();
  }

  /** Finds the server that runs on the data folder, whoever launched it. */
  #find(): { isReady: boolean } | undefined {
    const { data } = this.#options;
    const lines = readIfThere(path.join(data, "postmaster.pid"))?.split("\n") ?? [];
    const pid = Number(lines[0]);
    const isOurs = isRunning(this.#process) && this.#process.pid === pid;
    if (!isOurs && !commandOf(pid).includes(data)) return undefined;
    return { isReady: lines[7]?.startsWith("ready") ?? false };
  }

  #launch(): void {
    this.#launches += 1;
    try {
      this.#process = launch(this.#options);
    } catch {
      // The disk is full, say: the next look tries again.
    }
  }
}

function launch({ binaries, data, socketFolder, logFile, account, settings }: ServerOptions): ChildProcess {
  freeLock(path.join(data, "postmaster.pid"));
  freeLock(path.join(socketFolder, ".s.PGSQL.5432.lock"));

  const flags = Object.entries({
    unix_socket_directories: socketFolder,
    listen_addresses: "", // nothing on the network, and no port to choose
    log_min_messages: "log", // a statement's error may hold a person's data, and reaches its caller anyway
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
  server.on("error", () => {}); // no process to be had: the next look tries again
  server.unref();
  return server;
}

/**
 * Frees a lock file whose process died, but whose process id is taken: by another program since, or by a
 * zombie. PostgreSQL would take either for a live server. The rest of the file stays: by it PostgreSQL sees
 * whether connections of the dead server are still at work on the data.
 */
function freeLock(lockFile: string): void {
  const content = readIfThere(lockFile);
  if (content === undefined || !isTaken(Number.parseInt(content, 10))) return;
  writeFileSync(lockFile, content.replace(/^\d+/, IMPOSSIBLE_PID));
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

/** The command line of a process; empty when there is none, or a zombie. */
function commandOf(pid: number): string {
  if (existsSync("/proc/self/cmdline")) return readIfThere(`/proc/${pid}/cmdline`) ?? "";
  return spawnSync("ps", ["-o", "command=", "-p", `${pid}`], { encoding: "utf8" }).stdout ?? "";
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
