import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { requestAs } from "../../helpers/request.ts";
import { waitFor } from "../../helpers/wait-for.ts";
import { ADMIN, OUR_TOKENS } from "../admin.ts";
import { checkEach, checkEnd, takeStock } from "../erased.ts";
import type { FaultNode } from "../nodes.ts";
import { makePeople } from "../people.ts";
import { between } from "../random.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

const PEOPLE_A_ROUND = 5;
/** In ms. */
const LONGEST_DELAY = 20;
const BEGINS_WITHIN = 60_000;
const ENDS_WITHIN = 10_000;

/**
 * People are erased by the route, by `npm run purge` and by the hourly job, while all nodes are killed, over and over.
 * Each person must be complete or erased, and in the end none of their texts may be left.
 */
export const erasure: Scenario = {
  rounds: (wanted) => wanted,
  limit: Number.POSITIVE_INFINITY,
  servers: [],

  async play(world, rounds) {
    const settings = { ...OUR_TOKENS, LOG_LEVEL: "debug" };
    const services = FORMS["one node"].join();
    const later = await world.addNode(services, settings);
    const atOnce = await world.addNode(services, { ...settings, ERASE_AFTER_DAYS: "0" });
    await world.startAll();
    const people = await makePeople(world, later, rounds * PEOPLE_A_ROUND);
    const stock = await takeStock(world, people);

    const kills = { "before the first erasure": 0, "between them": 0, "after the last": 0 };
    for (let round = 0; round < rounds; round++) {
      const ids = people.slice(round * PEOPLE_A_ROUND, (round + 1) * PEOPLE_A_ROUND).map(({ id }) => id);
      const command = await WAYS[round % WAYS.length]?.(world, { later, atOnce, ids });
      await reached(world, ids, Math.floor(between(0, PEOPLE_A_ROUND + 1)));
      await sleep(between(0, LONGEST_DELAY));
      command?.kill("SIGKILL");
      await Promise.all(world.nodes.map((node) => node.kill()));
      const erased = await checkEach(world, people, stock);
      const done = ids.filter((id) => erased.has(id)).length;
      if (done === 0) kills["before the first erasure"]++;
      else kills[done < ids.length ? "between them" : "after the last"]++;
      await world.startAll();
    }
    const erased = await checkEach(world, people, stock);
    for (const { id } of people) if (!erased.has(id)) await request(world, atOnce, [id]);
    const verdict = await checkEnd(world, people, stock);
    verdict.details.push(`${rounds} kills of all nodes: ${JSON.stringify(kills)}`);
    return verdict;
  },
};

type Round = { later: FaultNode; atOnce: FaultNode; ids: string[] };

/** The ways to erase. Each starts erasures, and then resolves with the operator command that runs, if there is one. */
const WAYS: ((world: World, round: Round) => Promise<ChildProcess | undefined>)[] = [
  async function byRoute(world, { atOnce, ids }) {
    void request(world, atOnce, ids);
    return undefined;
  },
  async function byCommand(world, round) {
    await makeDue(world, round);
    const env = { ...process.env, ...world.env, LOG_LEVEL: "fatal" };
    const command = spawn(process.execPath, ["cli/run.js", "purge"], { env, stdio: "ignore" });
    await begun(world, round.ids);
    return command;
  },
  async function byHourlyJob(world, round) {
    await makeDue(world, round);
    await Promise.all(world.nodes.map((node) => node.kill()));
    await Promise.all(world.nodes.map((node) => node.start())); // the first run is at the start
    await begun(world, round.ids);
    return undefined;
  },
];

/** Requests the erasure of each person. Requests that are cut off are repeated later. */
async function request({ ledger }: World, node: FaultNode, ids: string[]): Promise<void> {
  const one = async (id: string) => {
    try {
      const asked = { method: "POST", path: `/api/v1/users/${id}/erasure`, body: {} };
      const { status, body } = await requestAs(node.url, ADMIN, asked);
      if (status === 202) ledger.writes++;
      else if (status === 503) ledger.refused++;
      else if (status !== 410) ledger.wrong.push(`The erasure of ${id}: ${status} ${JSON.stringify(body)}`);
    } catch {
      ledger.cutOff++;
    }
  };
  await Promise.all(ids.map(one));
}

async function makeDue(world: World, { later, ids }: Round): Promise<void> {
  await request(world, later, ids);
  await world.sql("UPDATE erasures SET due_at = now() WHERE user_id = ANY($1)", [ids]);
}

/** Resolves when a node holds the lock for erasing or has erased somebody, or after a time limit. */
async function begun({ sql }: World, ids: string[]): Promise<void> {
  const text = `
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 8300306
    UNION ALL SELECT FROM erasures WHERE user_id = ANY($1) AND erased_at IS NOT NULL`;
  await waitFor(async () => (await sql(text, [ids])).length > 0, BEGINS_WITHIN).catch(() => {});
}

/** Resolves when `count` of them are erased, or after a time limit, because some may wait for the next run. */
async function reached({ sql }: World, ids: string[], count: number): Promise<void> {
  const text = "SELECT FROM erasures WHERE user_id = ANY($1) AND erased_at IS NOT NULL";
  await waitFor(async () => (await sql(text, [ids])).length >= count, ENDS_WITHIN).catch(() => {});
}
