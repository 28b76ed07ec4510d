import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import type { Lease } from "../../services/outbox/lease.ts";
import { connectToDatabase } from "../helpers/connected.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The leases of the outbox's shards on a real PostgreSQL. All nodes of these tests share one process. */

let database: TestDatabase;
let underLease: typeof import("../../services/outbox/lease.ts").underLease;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ database, close } = await connectToDatabase());
  ({ underLease } = await import("../../services/outbox/lease.ts"));
});
afterAll(() => close());

/** A node that takes a new lease whenever one ends, until it is stopped. */
function startNode() {
  const stopped = Promise.withResolvers<void>();
  let [isStopped, lease]: [boolean, Lease | undefined] = [false, undefined];
  const live = async () => {
    while (!isStopped)
      await underLease(async (taken) => {
        lease = taken;
        const over = new Promise((resolve) => taken.over.addEventListener("abort", resolve));
        await Promise.race([over, stopped.promise]);
        lease = undefined;
      }).catch(() => {});
  };
  const ended = live();
  return {
    shards: () => lease?.shards ?? [],
    settled: () => lease?.settled ?? 0,
    async stop() {
      isStopped = true;
      stopped.resolve();
      await ended;
    },
  };
}

type Node = ReturnType<typeof startNode>;

/** Waits until the nodes have these numbers of shards, in any order; each shard must have one node. */
const haveSplit = (nodes: Node[], counts: number[]) =>
  waitFor(() => {
    const found = nodes.map((node) => node.shards().length).sort((a, b) => b - a);
    return found.join() === counts.join();
  }, 10_000).then(() => {
    const all = nodes.flatMap((node) => node.shards()).sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 32 }, (_, shard) => shard));
  });

test("nodes share the shards equally whenever a node starts or stops", async () => {
  const first = startNode();
  await haveSplit([first], [32]);
  const second = startNode();
  await haveSplit([first, second], [16, 16]);
  const third = startNode();
  await haveSplit([first, second, third], [11, 11, 10]);
  await second.stop();
  await haveSplit([first, third], [16, 16]);
  await first.stop();
  await haveSplit([third], [32]);
  await third.stop();
}, 30_000);

test("a lease whose connection is lost ends, and the node takes a new one", async () => {
  const node = startNode();
  await haveSplit([node], [32]);
  await database.cutConnections();
  await waitFor(() => node.shards().length === 0);
  await haveSplit([node], [32]);
  await node.stop();
});

test("the settled id stays below an open transaction that wrote to the outbox, and ignores other transactions", async () => {
  const node = startNode();
  await haveSplit([node], [32]);
  const insert = "INSERT INTO outbox (topic, value) VALUES ('t', '{}') RETURNING id";
  const idOf = ({ rows: [row] }: pg.QueryResult<{ id: string }>) => Number(row?.id);

  const other = await database.begin();
  await other.query("CREATE TABLE unrelated ()");
  const writer = await database.begin();
  const open = idOf(await writer.query(insert));
  const committed = Number((await database.sql<{ id: string }>(insert))[0]?.id);
  await waitFor(() => node.settled() >= open - 1);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(node.settled()).toBeLessThan(open);
  await writer.query("COMMIT");
  await waitFor(() => node.settled() >= committed, 5_000);
  await Promise.all([writer.end(), other.end()]);
  await node.stop();
}, 20_000);

test("a lease waits for the batch of a relay of 1.0.0, which finds its topics locked while the lease is held", async () => {
  const old = await database.begin();
  const lock = "SELECT pg_try_advisory_xact_lock(8300302) AS locked";
  expect((await old.query(lock)).rows).toEqual([{ locked: true }]);
  const node = startNode();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(node.shards()).toEqual([]);
  await old.query("COMMIT");
  await haveSplit([node], [32]);
  expect((await old.query(lock)).rows).toEqual([{ locked: false }]);
  await old.end();
  await node.stop();
});
