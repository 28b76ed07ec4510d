import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { startNeighbours } from "../neighbours.ts";
import { doorOf } from "../nodes.ts";
import { between } from "../random.ts";
import { type Server, takeAway } from "../servers.ts";
import { verify } from "../verify.ts";
import { recover, settle } from "../world.ts";
import { startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

const OUTAGES = ["pause", "kill"] as const;
const [SHORTEST, LONGEST] = [1_000, 12_000]; // ms

/**
 * These servers are killed and frozen under load, all at once. One node runs all services, and one gateway
 * calls it through the transporter. While only Kafka is unavailable, the first keeps answering with 2xx.
 * Gap: from the restart of the last server until everything works again.
 */
const outagesOf = (servers: Server[]): Scenario => ({
  rounds: (wanted) => Math.max(2, Math.ceil(wanted / 10)),
  limit: 15_000,
  servers,

  async play(world, rounds) {
    const whole = await world.addNode(FORMS["one node"].join());
    const gateway = await world.addNode("api");
    await world.startAll();
    let disturbed = false;
    const doors = [
      doorOf(whole, () => disturbed && servers.includes("postgres")),
      doorOf(gateway, () => disturbed),
    ];
    const writers = startWriters(world.ledger, doors);
    const neighbours = startNeighbours(world.topics, world.ledger);
    for (let round = 1; round <= rounds; round++) {
      await sleep(between(1_000, 3_000));
      disturbed = true;
      const planned = servers.map((server, index) => {
        const [outage, ms] = [OUTAGES[(round + index) % 2] ?? "kill", Math.round(between(SHORTEST, LONGEST))];
        return { server, outage, ms };
      });
      world.ledger.fault = planned.map(({ server, outage, ms }) => `${outage} ${server} for ${ms} ms`).join();
      await Promise.all(planned.map(({ server, outage, ms }) => takeAway(server, outage, ms)));
      await recover(world, doors);
      disturbed = false;
    }
    await Promise.all([writers.stop(), neighbours.stop()]);
    await settle(world);
    return verify(world);
  },
});

export const kafka = outagesOf(["kafka"]);
export const postgres = outagesOf(["postgres"]);
export const both = outagesOf(["kafka", "postgres"]);
