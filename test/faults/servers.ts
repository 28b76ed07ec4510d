import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * The servers that are killed, stopped and frozen, by the names that docker-compose.yml has for them (the brokers of a
 * cluster: test/servers.sh). SERVERS is the command that takes `kill|stop|start|pause|resume NAME`; without it, it is
 * `docker compose`, which says `unpause`.
 */
export type Server = "kafka" | "kafka-1" | "kafka-2" | "kafka-3" | "postgres" | "minio";
export type Outage = "kill" | "stop" | "pause";

const BACK = { kill: "start", stop: "start", pause: process.env.SERVERS ? "resume" : "unpause" };

const [program = "", ...before] = (process.env.SERVERS || "docker compose").split(/\s+/);

/** @throws Error with one line that contains the command and its error */
async function command(verb: string, server: Server): Promise<void> {
  const words = [...before, verb, server];
  await promisify(execFile)(program, words).catch(({ code, stderr, message }) => {
    const why = (stderr || message).trim().split("\n").at(-1);
    throw new Error(`\`${[program, ...words].join(" ")}\` failed with ${code}: ${why}`);
  });
}

/** @throws Error with one line if the servers cannot be controlled */
export async function demandServers(servers: Server[]): Promise<void> {
  for (const server of servers) await command("start", server);
}

/** Kills, stops or freezes the server; resolves when it is started again, after `ms`. */
export async function takeAway(server: Server, outage: Outage, ms: number): Promise<void> {
  await command(outage, server);
  try {
    await sleep(ms);
  } finally {
    await command(BACK[outage], server);
  }
}
