import { setTimeout as sleep } from "node:timers/promises";
import { CONSUMED_TOPICS } from "../../../services/ingest/ingest.contract.ts";
import { waitFor } from "../../helpers/wait-for.ts";
import { type SentEvent, send, startNeighbours } from "../neighbours.ts";
import { doorOf } from "../nodes.ts";
import { between, pick } from "../random.ts";
import { verify } from "../verify.ts";
import { settle, type World } from "../world.ts";
import { startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

const REPLAYS = 3;

/**
 * Ingest nodes start and stop while events arrive; then all topics are read from offset 0 three more times, by new groups,
 * with every event sent once more in another order. Gap: the longest time until an event was counted.
 */
export const rebalances: Scenario = {
  rounds: (wanted) => Math.max(2, Math.ceil(wanted / 4)),
  limit: 60_000,
  servers: [],

  async play(world, rounds) {
    const whole = await world.addNode("api,users,stats,avatars,identities,outbox");
    const ingesters = await Promise.all([1, 2, 3].map(() => world.addNode("ingest")));
    await world.startAll();
    const writers = startWriters(world.ledger, [doorOf(whole, () => false)]);
    const neighbours = startNeighbours(world.topics, world.ledger);
    for (let round = 1; round <= rounds; round++) {
      await sleep(between(0, 3_000));
      const node = await waitFor(() => pick(ingesters.filter((one) => one.isUp())), 180_000);
      await (Math.random() < 0.5 ? node.kill() : node.stop());
      await node.start();
    }
    await Promise.all([writers.stop(), neighbours.stop()]);
    await settle(world);
    const first = await verify(world);
    const what = "from sending an event until it counted";
    world.ledger.gaps.push({ ms: await slowest(world, neighbours.sent), what });

    for (const node of ingesters) await node.stop();
    await send(world.topics, neighbours.sent.toReversed());
    for (let replay = 1; replay <= REPLAYS; replay++) await replayAll(world, `${world.groupId}-${replay}`);
    const second = await verify(world);
    return {
      events: second.events,
      lost: first.lost + second.lost,
      doubled: first.doubled + second.doubled,
      disordered: first.disordered + second.disordered,
      details: [...first.details, ...second.details],
    };
  },
};

/** The longest time from sending an event until it was counted, in ms. */
async function slowest({ sql }: World, sent: SentEvent[]): Promise<number> {
  const rows = await sql<{ event_id: string; processed_at: Date }>(
    "SELECT event_id, processed_at FROM processed_events",
  );
  const countedAt = new Map(rows.map((row) => [row.event_id, Number(row.processed_at)]));
  const waits = sent.map(({ topic, eventId, at }) => (countedAt.get(`${topic}:${eventId}`) ?? at) - at);
  return waits.reduce((most, wait) => Math.max(most, wait), 0);
}

async function replayAll(world: World, groupId: string): Promise<void> {
  const node = await world.addNode("ingest", { KAFKA_GROUP_ID: groupId });
  await node.start();
  await node.ready();
  await waitFor(async () => {
    await sleep(200);
    return (await world.topics.lag(groupId, CONSUMED_TOPICS)) === 0;
  }, 300_000);
  await node.stop();
}
