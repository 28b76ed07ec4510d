import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "kafkajs";
import { FORMS } from "../../helpers/cluster.ts";
import { OUR_TOKENS } from "../admin.ts";
import { type Books, readBio, writeConditionally } from "../conditional.ts";
import { checkHistory } from "../history.ts";
import { between, pick } from "../random.ts";
import { firstOnes, ofType, type Verdict } from "../verify.ts";
import { settle, type World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

const OPERATIONS_A_ROUND = 1_000;
const LONGEST = { life: 4_000, death: 1_000 }; // ms
const LOOK_EVERY = 250; // ms
const DETAILS = 20;

/** Two nodes with all services, of which one is killed again and again, while 16 writers send If-Match. */
export const versions: Scenario = {
  rounds: (wanted) => wanted,
  limit: Number.POSITIVE_INFINITY,
  servers: [],

  async play(world, rounds) {
    for (const services of [...FORMS["one node"], ...FORMS["one node"]])
      await world.addNode(services, OUR_TOKENS);
    await world.startAll();
    const books: Books = {
      operations: 0,
      accepted: [],
      conflicts: 0,
      notModified: 0,
      reverts: 0,
      returns: 0,
      missed: 0,
      unknown: 0,
      replays: 0,
      increments: new Map(),
      committed: new Map(),
      reservations: 0,
      quotaExceeded: 0,
    };
    const start = performance.now();
    let isDone = false;
    const writing = writeConditionally(world.ledger, world.nodes, rounds * OPERATIONS_A_ROUND, books).finally(
      () => {
        isDone = true;
      },
    );
    const watching = watchLimits(world, () => isDone);
    let kills = 0;
    while (!isDone) {
      await sleep(between(0, LONGEST.life));
      if (isDone) break;
      const node = pick(world.nodes);
      await node.kill();
      kills++;
      await sleep(between(0, LONGEST.death));
      await node.start();
      await node.ready();
    }
    await Promise.all([writing, watching]);
    const seconds = Math.round((performance.now() - start) / 1000);
    await settle(world);
    return judge(world, books, { kills, seconds });
  },
};

/** A user whose use and reservations together exceed the limit, in one snapshot. */
const EXCEEDED = `
  SELECT id, storage_used::float8 AS used, reserved, max_storage::float8 AS max FROM users, LATERAL (
    SELECT coalesce(sum(amount), 0)::float8 AS reserved FROM quota_reservations
    WHERE user_id = users.id AND resource = 'storage' AND state = 'open' AND expires_at > now()
  ) open WHERE storage_used + reserved > max_storage`;

async function watchLimits({ sql, ledger }: World, isDone: () => boolean): Promise<void> {
  for (let last = false; !last; await sleep(LOOK_EVERY)) {
    last = isDone();
    for (const row of await sql(EXCEEDED)) ledger.wrong.push(`over the limit: ${JSON.stringify(row)}`);
  }
}

type Row = { id: string; bio: string; created: number; bytes: number };

/**
 * Each accepted version was derived from its predecessor, each key was counted once, no reservation was lost, and the
 * replayed history yields the rows.
 */
async function judge(
  world: World,
  books: Books,
  { kills, seconds }: { kills: number; seconds: number },
): Promise<Verdict> {
  const { topics, sql } = world;
  const { accepted, increments, committed } = books;
  const verdict: Verdict = { events: 0, lost: 0, doubled: 0, disordered: 0, details: [] };
  const note = (fault: "lost" | "doubled" | "disordered", detail: string) => {
    verdict[fault]++;
    if (verdict.details.length < DETAILS) verdict.details.push(`${fault}: ${detail}`);
  };

  const bases = new Set<string>();
  for (const { userId, base, version } of accepted) {
    if (version !== base + 1) note("lost", `version ${version} of ${userId} was derived from ${base}`);
    if (bases.has(`${userId} ${base}`)) note("lost", `version ${base} of ${userId} was replaced twice`);
    bases.add(`${userId} ${base}`);
  }

  const messages: Message[] = await topics.read("user-events");
  const events = firstOnes(messages);
  const updates = ofType(events, "user.updated");
  const entries = await checkHistory(world, events, note);
  const byUser = Map.groupBy(updates, ({ userId }) => userId);
  const rows = await sql<Row>(
    "SELECT id, bio, interviews_created AS created, storage_used::float8 AS bytes FROM users",
  );
  for (const { id, bio, created, bytes } of rows) {
    let last = "start";
    const known = new Set([last]);
    for (const { data } of byUser.get(id) ?? []) {
      if (!data.changes.bio) continue; // a revert may change preferences only
      const { op, previous } = readBio(data.changes.bio);
      const isRevert = known.has(op);
      if (previous !== last && !isRevert)
        note("lost", `update ${last} of ${id}: ${op} was derived from ${previous}`);
      known.add(op);
      last = op;
    }
    if (readBio(bio).op !== last) note("lost", `update ${last} of ${id}: the row has ${bio}`);
    for (const [what, counted, expected] of [
      ["increments", created, increments.get(id) ?? 0],
      ["committed bytes", bytes, committed.get(id) ?? 0],
    ] as const)
      if (counted !== expected)
        note(counted < expected ? "lost" : "doubled", `${what} of ${id}: ${counted}, not ${expected}`);
  }
  const published = new Set(
    updates.map(({ userId, data }) => `${userId} ${readBio(String(data.changes.bio)).op}`),
  );
  for (const { userId, op } of accepted)
    if (op && !published.has(`${userId} ${op}`)) note("lost", `update ${op} of ${userId}`);

  const { operations, conflicts, notModified, unknown, replays, reservations, quotaExceeded } = books;
  const { reverts, returns, missed } = books;
  const keys = [...increments.values()].reduce((sum, n) => sum + n, 0);
  verdict.events = updates.length;
  verdict.details.push(
    `${operations} operations in ${seconds} s, ${kills} kills: ${accepted.length} versions accepted, ${conflicts} answered 412, ` +
      `${notModified} reads answered 304, ${unknown} writes without an answer; ${keys} increments by key, ` +
      `${replays} replayed; ${reservations} reservations, ${quotaExceeded} refused; ${reverts} reverts; ` +
      `${returns} deletions and restorations, ${missed} answered 404 meanwhile; ` +
      `${rows.length} rows replayed from ${entries} entries of the history, ${events.length} events`,
  );
  return verdict;
}
