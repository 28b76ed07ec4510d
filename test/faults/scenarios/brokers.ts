import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { startNeighbours } from "../neighbours.ts";
import { doorOf } from "../nodes.ts";
import { between } from "../random.ts";
import { type Outage, type Server, takeAway } from "../servers.ts";
import { verify } from "../verify.ts";
import { recover, settle } from "../world.ts";
import { startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

const BROKERS = ["kafka-1", "kafka-2", "kafka-3"] as const satisfies Server[];
const OUTAGES = ["kill", "stop"] as const satisfies Outage[];
const [SHORTEST, LONGEST] = [1_000, 10_000]; // ms

/**
 * One of three brokers is killed or stopped under load, and restarted: no request may fail, although each
 * needs calls over Kafka. Gap: the slowest answer.
 */
export const brokers: Scenario = {
  rounds: (wanted) => Math.max(BROKERS.length, wanted),
  limit: 5_000,
  servers: [...BROKERS],

  async play(world, rounds) {
    for (const services of FORMS["three nodes"]) await world.addNode(services);
    await world.startAll();
    const doors = world.nodes.slice(0, 1).map((api) => doorOf(api, () => false));
    const writers = startWriters(world.ledger, doors);
    const neighbours = startNeighbours(world.topics, world.ledger);
    for (let round = 0; round < rounds; round++) {
      await sleep(between(1_000, 3_000));
      const broker = BROKERS[round % BROKERS.length] ?? "kafka-1";
      const outage = OUTAGES[Math.floor(round / BROKERS.length) % OUTAGES.length] ?? "kill";
      world.ledger.fault = `${outage} ${broker}`;
      await takeAway(broker, outage, between(SHORTEST, LONGEST));
      await world.topics.inSync();
      await recover(world, doors);
    }
    await Promise.all([writers.stop(), neighbours.stop()]);
    await settle(world);
    world.ledger.gaps.push({ ms: world.ledger.slowest, what: "the slowest answer" });
    return verify(world);
  },
};
