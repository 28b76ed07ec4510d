import { expect, test } from "@jest/globals";
import type { Pending } from "../../services/outbox/outbox.store.ts";
import {
  isSettled,
  markOf,
  nextPosition,
  pageOf,
  START,
  shareOf,
  toHold,
} from "../../services/outbox/relay.rules.ts";

const record = (id: number, key: string, isBehind = false): Pending => ({
  id,
  key,
  isBehind,
  shard: 0,
  value: "{}",
  traceparent: null,
});

test("an id is settled when all transactions that were writing at its time have ended; later ones do not count", () => {
  const barrier = { lastId: 7, writers: ["3/1", "4/2"] };
  expect(isSettled(barrier, { lastId: 9, writers: ["4/2", "5/1"] })).toBe(false);
  expect(isSettled(barrier, { lastId: 9, writers: ["3/2", "5/1"] })).toBe(true);
  expect(isSettled({ lastId: 7, writers: [] }, { lastId: 7, writers: ["3/1"] })).toBe(true);
});

test("a queue is read from its first record, or from the settled id if that is lower or the queue is empty", () => {
  expect(markOf(100, record(40, "a"))).toBe(39);
  expect(markOf(100, record(140, "a"))).toBe(100);
  expect(markOf(100, undefined)).toBe(100);
});

test("held records are read from after the last key of a full page, and from the start after the last page", () => {
  const page = [record(1, "a"), record(2, "b")];
  expect(nextPosition(page, 2)).toEqual({ key: "b", id: Number.MAX_SAFE_INTEGER });
  expect(nextPosition(page, 3)).toBe(START);
});

test("nodes get equal shares of the shards, and shards equal pages of a batch, rounded up", () => {
  expect([1, 2, 3, 32, 40].map((nodes) => shareOf(32, nodes))).toEqual([32, 16, 11, 1, 1]);
  expect([0, 1, 3].map((count) => pageOf({ topic: "t", batch: 64 }, Array(count).fill(0)))).toEqual([
    64, 64, 22,
  ]);
});

test("in an outage only records behind others are held; otherwise all records that were neither published nor refused", () => {
  const records = [record(1, "a"), record(2, "b"), record(3, "c", true), record(4, "d")] as const;
  const ids = (held: Pending[]) => held.map(({ id }) => id);
  expect(ids(toHold([...records], { published: [], refused: [], failure: new Error() }))).toEqual([3]);
  expect(ids(toHold([...records], { published: [records[0]], refused: [] }))).toEqual([2, 3, 4]);
  const refused = [{ record: records[3], fault: "X" }];
  expect(ids(toHold([...records], { published: [], refused }))).toEqual([1, 2, 3]);
});
