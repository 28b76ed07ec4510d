import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { outboxEmpty } from "../helpers/collect-events.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";

/** The result of kill -9 during writes. */
export type Summary = {
  rounds: number;
  /** POSTs that were answered 201, and those that were cut off. */
  writes: number;
  cutOff: number;
  /** user.created events received for these writes, and the number of repeated ones (at least once is allowed). */
  events: number;
  redelivered: number;
  /** interview.created events emitted, each several times and under kill -9. */
  interviews: number;
  /** Writes without a row or without an event, and interviews that were not counted. */
  lost: number;
  /** keycloakIds with two rows, one user with two eventIds, and interviews counted twice. */
  doubled: number;
};

const WRITERS = 8;
const INTERVIEWS_A_ROUND = 10;
const LONGEST_LIFE = 700; // ms after the node is ready

type Interview = { eventId: string; eventType: string; userId: string; data: { interviewId: string } };

/** Kills the service at a random moment under load, `rounds` times, then starts it once more and counts. */
export async function killRounds(
  database: TestDatabase,
  rounds: number,
  log: (line: string) => void = () => {},
): Promise<Summary> {
  const folder = await mkdtemp(join(tmpdir(), "user-service-kill-"));
  const receivedFile = join(folder, "received.txt");
  const start = async () => {
    const env = { ...database.env, RECEIVED_FILE: receivedFile };
    const services = [join(import.meta.dirname, "receiver.service.ts")];
    const service = await spawnService(env, { services, ipc: true });
    await service.ready(30_000);
    return service;
  };
  const written: string[] = [];
  const interviews: Interview[] = [];
  let cutOff = 0;
  let userId = "";

  async function write(service: ServiceProcess): Promise<void> {
    while (service.child.exitCode === null && service.child.signalCode === null)
      try {
        const { status, id } = await postUser(service.url);
        if (status === 201 && id) written.push(id);
      } catch {
        cutOff++;
      }
  }

  for (let round = 1; round <= rounds; round++) {
    const service = await start();
    while (!userId) userId = (await postUser(service.url)).id ?? ""; // a slow machine may answer with 503 at first
    interviews.push(...newInterviews(userId, round));
    const writers = Array.from({ length: WRITERS }, () => write(service));
    const life = Math.random() * LONGEST_LIFE;
    for (const part of [0.2, 0.3, 0.5]) {
      if (service.child.connected)
        service.child.send({ emit: interviews.slice(-2 * INTERVIEWS_A_ROUND) }, () => {});
      await sleep(life * part);
    }
    service.child.kill("SIGKILL");
    await Promise.all(writers);
    await service.remove();
    if (round % 10 === 0) log(`${round} rounds, ${written.length} writes`);
  }

  const last = await start();
  for (let times = 0; times < 2; times++) {
    const emitted = new Promise((resolve) => last.child.once("message", resolve));
    last.child.send({ emit: interviews, done: true });
    await emitted;
  }
  await outboxEmpty(database, 30_000);
  await last.remove();
  const received = (await readFile(receivedFile, "utf8")).trim().split("\n");
  await rm(folder, { recursive: true });
  return {
    rounds,
    writes: written.length,
    cutOff,
    ...(await count(database, { written, interviews, userId, received })),
  };
}

const newInterviews = (userId: string, round: number): Interview[] =>
  Array.from({ length: INTERVIEWS_A_ROUND }, (_, n) => ({
    eventId: `evt-${round}-${n}`,
    eventType: "interview.created",
    userId,
    data: { interviewId: `${round}-${n}` },
  }));

async function count(
  { sql }: TestDatabase,
  run: { written: string[]; interviews: Interview[]; userId: string; received: string[] },
) {
  const { written, interviews, userId, received } = run;
  const rows = await sql<{ id: string; keycloak_id: string }>("SELECT id, keycloak_id FROM users");
  const ids = new Set(rows.map(({ id }) => id));
  const eventsOf = Map.groupBy(received, (line) => line.slice(0, 36));
  const lostRows = written.filter((id) => !ids.has(id)).length;
  const lostEvents = [...ids, ...written].filter((id) => !eventsOf.has(id)).length;
  const twice = [...eventsOf.values()].filter((lines) => new Set(lines).size > 1).length;
  const [user] = await sql<{ interviews_created: number }>("SELECT * FROM users WHERE id = $1", [userId]);
  const counted = user?.interviews_created ?? 0;
  return {
    events: eventsOf.size,
    redelivered: received.length - new Set(received).size,
    interviews: interviews.length,
    lost: lostRows + lostEvents + Math.max(0, interviews.length - counted),
    doubled:
      rows.length -
      new Set(rows.map((row) => row.keycloak_id)).size +
      twice +
      Math.max(0, counted - interviews.length),
  };
}
