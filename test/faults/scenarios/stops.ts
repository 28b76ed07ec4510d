import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { doorOf } from "../nodes.ts";
import { takeAway } from "../servers.ts";
import { verify } from "../verify.ts";
import { recover, settle } from "../world.ts";
import { createUser } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

/** In ms. */
const OUTAGE = 14_000;
const UNTIL_STOP = 2_000;

/**
 * A node is stopped while Kafka is killed or frozen and events wait: it exits with 0, and publishes them after its next
 * start. Gap: the time of a stop, or of the recovery after the next start.
 */
export const stops: Scenario = {
  rounds: (wanted) => Math.max(2, Math.ceil(wanted / 10)),
  limit: 15_000,
  servers: ["kafka"],

  async play(world, rounds) {
    const { ledger } = world;
    const node = await world.addNode(FORMS["one node"].join());
    await world.startAll();
    const door = doorOf(node, () => false);
    for (let round = 1; round <= rounds; round++) {
      const outage = round % 2 ? "kill" : "pause";
      ledger.fault = `SIGTERM while Kafka is unavailable (${outage})`;
      const over = takeAway("kafka", outage, OUTAGE);
      await sleep(UNTIL_STOP);
      await createUser(ledger, door);
      const start = Date.now();
      const code = await node.stop();
      ledger.gaps.push({ ms: Date.now() - start, what: `${ledger.fault}: the stop` });
      if (code !== 0) ledger.wrong.push(`The node ended with ${code}, ${ledger.fault}`);
      await over;
      await node.start();
      await node.ready();
      await recover(world, [door]);
    }
    await settle(world);
    return verify(world);
  },
};
