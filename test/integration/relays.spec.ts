import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import { sendByPartition } from "../../lib/kafka/send-in-order.ts";
import type { RelayPort } from "../../services/outbox/relay.ts";
import { connectToDatabase } from "../helpers/connected.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { createFakeKafka, type Weather } from "../helpers/fake-kafka.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Two relays and many writers on a real PostgreSQL, with Kafka faked. Ids commit out of order, and leases are cut off. */

let database: TestDatabase;
let runRelay: typeof import("../../services/outbox/relay.ts").runRelay;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ database, close } = await connectToDatabase());
  ({ runRelay } = await import("../../services/outbox/relay.ts"));
});
afterAll(() => close());

const USERS = 40;
const random = (below: number) => Math.floor(Math.random() * below);

/** Commits events of random users, in order per user, in transactions of different duration, of which some roll back. */
async function write(client: pg.Client, counts: number[], until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    const user = random(USERS);
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock(1, $1)", [user]); // like the lock on the user's row
    const number = (counts[user] ?? 0) + 1;
    await client.query("INSERT INTO outbox (topic, key, value) VALUES ('user-events', $1, $2)", [
      `user ${user}`,
      JSON.stringify({ number }),
    ]);
    await sleep(random(50) === 0 ? 2_500 : random(40));
    const commits = random(10) > 0;
    if (commits) counts[user] = number; // before the lock is released
    await client.query(commits ? "COMMIT" : "ROLLBACK");
  }
}

test("two relays keep each user's order and lose nothing, for any order of commits and any loss of leases", async () => {
  const numbers = new Map<number, number>();
  const weather: Weather[] = [];
  const kafka = createFakeKafka(() => false, weather);
  const publish: RelayPort["publish"] = (_topic, records) =>
    sendByPartition(
      records,
      kafka.partitionOf,
      async (partition, batch) => {
        for (const { id, value } of batch) numbers.set(id, JSON.parse(value).number);
        await sleep(random(10));
        await kafka.send(partition, batch);
      },
      () => false,
    );
  const port: RelayPort = { publish, onCommitted: () => {}, onDelay: () => {} };
  const stop = new AbortController();
  const lanes = [{ topic: "user-events", batch: 160 }];
  const relays = [runRelay(lanes, port, stop.signal), runRelay(lanes, port, stop.signal)];

  const counts: number[] = [];
  const writing = new AbortController();
  const clients = await Promise.all(Array.from({ length: 12 }, () => database.begin()));
  await Promise.all(clients.map((client) => client.query("ROLLBACK")));
  const writers = clients.map((client) => write(client, counts, writing.signal));
  for (let round = 0; round < 8; round++) {
    await sleep(1_000);
    weather.push("is lost", "passes", "arrives, but its answer is lost");
    await database.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
       WHERE locktype = 'advisory' AND classid = 'outbox'::regclass AND objid = $1 AND granted`,
      [random(32)],
    );
  }
  writing.abort();
  await Promise.all(writers);
  await waitFor(async () => (await database.sql("SELECT FROM outbox LIMIT 1")).length === 0);
  stop.abort();
  await Promise.all(relays);
  await Promise.all(clients.map((client) => client.end()));

  const committed = counts.reduce((sum, count) => sum + count, 0);
  expect(committed).toBeGreaterThan(100);
  for (let user = 0; user < USERS; user++) {
    const taken = kafka.taken.filter(({ key }) => key === `user ${user}`);
    expect([user, [...new Set(taken.map(({ id }) => numbers.get(id)))]]).toEqual([
      user,
      Array.from({ length: counts[user] ?? 0 }, (_, n) => n + 1),
    ]);
  }
}, 60_000);
