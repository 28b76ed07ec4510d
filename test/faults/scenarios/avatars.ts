import { setTimeout as sleep } from "node:timers/promises";
import { strayAvatars } from "../avatars.ts";
import { doorOf } from "../nodes.ts";
import { between } from "../random.ts";
import { takeAway } from "../servers.ts";
import { look, startUploaders, type Uploaders } from "../uploaders.ts";
import { type Verdict, verify } from "../verify.ts";
import { settle, type World } from "../world.ts";
import { type Door, startWriters } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

/** The node with the avatars is killed during uploads. Gap: from its start until an upload is answered. */
export const uploads: Scenario = {
  rounds: (wanted) => Math.max(2, Math.ceil(wanted / 2)),
  limit: 15_000,
  servers: [],

  async play(world, rounds) {
    const gateway = await world.addNode("api,users,stats,outbox,ingest");
    const avatars = await world.addNode("avatars");
    await world.startAll();
    const uploaders = await startUploaders(
      world.ledger,
      doorOf(gateway, () => true),
    );
    for (let round = 1; round <= rounds; round++) {
      await sleep(between(0, 2_000));
      world.ledger.fault = "kill -9 of the avatars";
      await avatars.kill();
      await avatars.start();
      await untilItWorks(world, uploaders);
    }
    return judge(world, uploaders, gateway);
  },
};

/** The object store is killed and frozen. Other routes keep answering with 2xx. Gap: from its restart to an upload. */
export const minio: Scenario = {
  rounds: (wanted) => Math.max(2, Math.ceil((wanted * 3) / 20)),
  limit: 15_000,
  servers: ["minio"],

  async play(world, rounds) {
    const node = await world.addNode("api,users,stats,avatars,identities,outbox,ingest");
    await world.startAll();
    let disturbed = false;
    const writers = startWriters(world.ledger, [doorOf(node, () => false)]);
    const uploaders = await startUploaders(
      world.ledger,
      doorOf(node, () => disturbed),
    );
    for (let round = 1; round <= rounds; round++) {
      await sleep(between(1_000, 3_000));
      const outage = round % 2 ? "pause" : "kill";
      world.ledger.fault = `${outage} minio`;
      disturbed = true;
      await takeAway("minio", outage, between(500, 6_000));
      await untilItWorks(world, uploaders);
      disturbed = false;
    }
    await writers.stop();
    return judge(world, uploaders, node);
  },
};

async function untilItWorks({ ledger }: World, uploaders: Uploaders): Promise<void> {
  const start = Date.now();
  await uploaders.works();
  ledger.gaps.push({ ms: Date.now() - start, what: ledger.fault });
}

/** Each user has the last confirmed avatar or a later attempt. After the reconciler, the store has no other objects. */
async function judge(
  world: World,
  uploaders: Uploaders,
  node: { url: string; isUp(): boolean },
): Promise<Verdict> {
  await uploaders.stop();
  await settle(world);
  world.ledger.fault = "the end";
  const door: Door = { url: () => node.url, mayRefuse: () => false, mayBreak: () => false };
  for (const user of uploaders.users) {
    await look(world.ledger, door, user);
    const [row] = await world.sql<{ avatar_size: number }>(
      "SELECT avatar_size::int FROM users WHERE id = $1",
      [user.account.id],
    );
    user.account.sums.bytes += row?.avatar_size ?? 0;
  }
  const verdict = await verify(world);
  const strays = await strayAvatars(world);
  verdict.lost += strays.broken;
  verdict.doubled += strays.orphans;
  verdict.details.push(`orphans before the reconciler ${strays.removed}, after it ${strays.orphans}`);
  return verdict;
}
