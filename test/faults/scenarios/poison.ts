import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "kafkajs";
import { CONSUMED_TOPICS } from "../../../services/ingest/ingest.contract.ts";
import { FORMS } from "../../helpers/cluster.ts";
import { waitFor } from "../../helpers/wait-for.ts";
import type { Account } from "../ledger.ts";
import { doorOf, type FaultNode } from "../nodes.ts";
import { pick } from "../random.ts";
import { type Verdict, verify } from "../verify.ts";
import { settle, type World } from "../world.ts";
import { createUser } from "../writers.ts";
import type { Scenario } from "./scenario.ts";

const TOPIC = "media-events";
const PARTITIONS = 3;
const USERS = 200;
const EVENTS_A_ROUND = 5_000;
/** Sections of the backlog without poison and with 2 % of poison alternate, so that they can be compared. */
const STRETCH = 25_000;
const POISON_EVERY = 50;
const SEND = 1_000; // messages at once
/** How much more memory the last quarter may take than the third. Before that, the heap still grows to its normal size. */
const GROWTH = 1.15;

/**
 * A backlog of events on one topic, 1 % of it poison. Because there is always more to read, a partition's valid events are
 * counted in one batch after the other, unless something delays them. By the database's clock, the longest time
 * between two events of a partition is measured. Gap: the difference between sections with and without poison.
 */
export const poison: Scenario = {
  rounds: (wanted) => Math.max(10, wanted),
  limit: 1_000,
  servers: [],

  async play(world, rounds) {
    const node = await world.addNode(FORMS["one node"].join());
    await world.startAll();
    await createUsers(world, node);
    await node.stop();
    await sendBacklog(world, rounds * EVENTS_A_ROUND);

    await node.start();
    await node.ready();
    const memory = await sampleUntil(
      async () => (await world.topics.lag(world.groupId, CONSUMED_TOPICS)) === 0,
      node,
    );
    await settle(world);
    const verdict = await verify(world);
    await checkDeadLetters(world, verdict);
    checkMemory(memory, world, verdict);
    const { clean, poisoned } = await longestGaps(world);
    verdict.details.push(`longest gap of a partition without poison ${clean} ms, with it ${poisoned} ms`);
    world.ledger.gaps.push({ ms: Math.max(0, poisoned - clean), what: "poison held a partition up" });
    return verdict;
  },
};

async function createUsers(world: World, node: FaultNode): Promise<void> {
  const door = doorOf(node, () => true);
  while (world.ledger.accounts.length < USERS) await createUser(world.ledger, door);
}

/** One invalid event of each kind; `mark` identifies it. */
const POISON: ((mark: string, userId: string) => string | Buffer)[] = [
  (mark) => `no JSON ${mark}`,
  (mark) => Buffer.concat([Buffer.from([0xff, 0x00, 0xc3]), Buffer.from(mark)]),
  (mark) => JSON.stringify([mark]),
  (mark) => JSON.stringify({ eventId: mark }),
  (mark) => JSON.stringify({ eventId: mark, eventType: "media.uploaded" }),
  (mark) => upload(mark, "no-uuid", 1),
  (mark, userId) => upload(mark, userId, -1),
  (mark, userId) => upload(mark, userId, "1"),
  (mark, userId) => upload(mark, userId, 2 ** 53),
  (mark, userId) => upload(`${mark} \0`, userId, 1),
  (mark, userId) => upload(`${mark} \ud800`, userId, 1),
];

const upload = (eventId: string, userId: string, fileSize: unknown): string =>
  JSON.stringify({ eventId, eventType: "media.uploaded", userId, data: { fileId: eventId, fileSize } });

const isPoison = (number: number): boolean =>
  Math.floor(number / STRETCH) % 2 === 1 && number % POISON_EVERY === 0;

async function sendBacklog({ ledger, topics }: World, count: number): Promise<void> {
  for (let start = 0; start < count; start += SEND) {
    const numbers = Array.from({ length: SEND }, (_, index) => start + index);
    const messages = numbers.map((number): Message => {
      const partition = number % PARTITIONS;
      const account = pick(ledger.accounts);
      if (!isPoison(number)) return { partition, value: validUpload(account, partition, number) };
      ledger.poison++;
      return { partition, value: pick(POISON)(`poison-${number}`, account.id) };
    });
    await topics.send(TOPIC, messages);
    ledger.events += numbers.filter((number) => !isPoison(number)).length;
  }
}

function validUpload(account: Account, partition: number, number: number): string {
  account.sums.bytes++;
  return upload(`p${partition}-${number}`, account.id, 1);
}

/** The node's resident memory, in MB, twice a second until `done`. */
async function sampleUntil(done: () => Promise<boolean>, node: FaultNode): Promise<number[]> {
  const samples: number[] = [];
  await waitFor(async () => {
    const metrics = await fetch(`${node.nodeUrl}/metrics`).then((answer) => answer.text());
    samples.push(Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 2 ** 20);
    await sleep(500);
    return done();
  }, 1_800_000);
  return samples;
}

/** Each invalid event is on the dead letter topic exactly once. */
async function checkDeadLetters({ ledger, topics }: World, verdict: Verdict): Promise<void> {
  const letters = await topics.read(`${TOPIC}-dlq`);
  const marks = letters.map(({ value }) => /poison-\d+/.exec(String(value))?.[0]);
  const distinct = new Set(marks).size;
  verdict.lost += ledger.poison - distinct;
  verdict.doubled += marks.length - distinct;
  verdict.details.push(`dead letters: ${letters.length}, of ${ledger.poison} poisoned messages`);
}

/** Memory that keeps growing would end the node sooner or later. */
function checkMemory(samples: number[], { ledger }: World, verdict: Verdict): void {
  const quarter = (nth: number) => {
    const part = samples
      .slice((nth - 1) * (samples.length / 4), nth * (samples.length / 4))
      .sort((a, b) => a - b);
    return part[Math.floor(part.length / 2)] ?? 0;
  };
  const medians = [1, 2, 3, 4].map((nth) => Math.round(quarter(nth)));
  verdict.details.push(`memory by quarters: ${medians.join(", ")} MB`);
  if (quarter(4) > quarter(3) * GROWTH) ledger.wrong.push("The node's memory grows");
}

/** The longest time between two valid events of a partition, in sections without and with poison, in ms. */
async function longestGaps({ sql }: World): Promise<{ clean: number; poisoned: number }> {
  const rows = await sql<{ poisoned: boolean; gap: number }>(
    `WITH counted AS (
      SELECT processed_at, split_part(event_id, '-', 2) AS stream, split_part(event_id, '-', 3)::int AS number
      FROM processed_events
    ), gaps AS (
      SELECT number / $1 % 2 = 1 AS poisoned,
        processed_at - lag(processed_at) OVER (PARTITION BY stream ORDER BY number) AS gap
      FROM counted
    )
    SELECT poisoned, (1000 * extract(epoch FROM max(gap)))::float8 AS gap FROM gaps GROUP BY poisoned`,
    [STRETCH],
  );
  const of = (poisoned: boolean) => rows.find((row) => row.poisoned === poisoned)?.gap ?? 0;
  return { clean: of(false), poisoned: of(true) };
}
