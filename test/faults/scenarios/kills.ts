import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { startNeighbours } from "../neighbours.ts";
import { doorOf } from "../nodes.ts";
import { between, pick } from "../random.ts";
import { verify } from "../verify.ts";
import { recover, settle } from "../world.ts";
import { startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

/** In ms. */
const LONGEST = { life: 2_000, death: 1_000 };
/** How often a killed node may become ready again before the next one is killed. */
const RECOVERS = 0.7;

const [API = "", ...OTHERS] = FORMS["three nodes"];

/** One of three nodes is killed under load, again and again. Gap: from its start until everything works again. */
export const kills: Scenario = {
  rounds: (wanted) => wanted,
  limit: 15_000,
  servers: [],

  async play(world, rounds) {
    const api = await world.addNode(API);
    for (const services of OTHERS) await world.addNode(services);
    await world.startAll();
    const door = doorOf(api, () => true);
    const writers = startWriters(world.ledger, [door]);
    const neighbours = startNeighbours(world.topics, world.ledger);
    for (let round = 1; round <= rounds; round++) {
      await sleep(between(0, LONGEST.life));
      const node = pick(world.nodes);
      world.ledger.fault = `kill -9 of node ${world.nodes.indexOf(node) + 1}`;
      await node.kill();
      await sleep(between(0, LONGEST.death));
      await node.start();
      if (round === rounds || Math.random() < RECOVERS) await recover(world, [door]);
    }
    await Promise.all([writers.stop(), neighbours.stop()]);
    await settle(world);
    return verify(world);
  },
};
