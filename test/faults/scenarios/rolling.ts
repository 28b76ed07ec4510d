import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { startNeighbours } from "../neighbours.ts";
import type { FaultNode } from "../nodes.ts";
import { pick } from "../random.ts";
import { verify } from "../verify.ts";
import { settle, type World } from "../world.ts";
import { type Door, startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

const CHECK_EVERY = 100; // ms

/** Two nodes of each kind are restarted one after the other, and no request may fail. Gap: the slowest answer. */
export const rolling: Scenario = {
  rounds: (wanted) => Math.max(1, Math.ceil(wanted / 10)),
  limit: 10_000,
  servers: [],

  async play(world, rounds) {
    await addPairs(world);
    await world.startAll();
    await underLoad(world, async () => {
      for (let round = 1; round <= rounds; round++) await restartEach(world);
    });
    return verify(world);
  },
};

/** Two nodes of each kind, the gateways first. */
export async function addPairs(world: World): Promise<void> {
  for (const services of FORMS["three nodes"])
    for (let times = 0; times < 2; times++) await world.addNode(services);
}

/** Keeps the gateways, the first two nodes, under load during `work`, and waits until all accepted writes took effect. */
export async function underLoad(world: World, work: () => Promise<void>): Promise<void> {
  const balancer = startBalancer(world.nodes.slice(0, 2));
  const writers = startWriters(world.ledger, [balancer.door]);
  const neighbours = startNeighbours(world.topics, world.ledger);
  await work();
  await Promise.all([writers.stop(), neighbours.stop()]);
  balancer.stop();
  await settle(world);
  world.ledger.gaps.push({ ms: world.ledger.slowest, what: "the slowest answer" });
}

/** Restarts one node after the other, the gateways last, from the source in `root`. */
export async function restartEach({ nodes, ledger }: World, root?: string): Promise<void> {
  for (const [index, node] of [...nodes.entries()].reverse()) {
    ledger.fault = `SIGTERM to node ${index + 1}`;
    const code = await node.stop();
    if (code !== 0) ledger.wrong.push(`Node ${index + 1} ended with ${code} after SIGTERM`);
    ledger.fault = `start of node ${index + 1}`;
    await node.start(root);
    await node.ready();
    await sleep(500);
  }
}

/** Sends each request to a gateway whose last health check succeeded, like a load balancer. */
function startBalancer(gateways: FaultNode[]): { door: Door; stop(): void } {
  let ready = gateways;
  const timer = setInterval(async () => {
    const answers = await Promise.all(gateways.map((gateway) => gateway.isReady()));
    const answering = gateways.filter((_, index) => answers[index]);
    if (answering.length > 0) ready = answering;
  }, CHECK_EVERY);
  const door = { url: () => pick(ready).url, mayRefuse: () => false, mayBreak: () => false };
  return { door, stop: () => clearInterval(timer) };
}
