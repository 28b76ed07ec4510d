import type { Lease } from "./lease.ts";
import { type Pending, type Position, readHeld, readQueue } from "./outbox.store.ts";
import { type Lane, markOf, nextPosition, pageOf, START } from "./relay.rules.ts";

/** The two places where records of a topic wait, as the relay reads them under one lease. */

/** Records to be published, and whether to read again at once. */
export type Page = { records: Pending[]; more: boolean };
export type Read = () => Promise<Page>;

/**
 * The queue: first come, first served in each shard. Each read begins behind what was published before, because
 * deleted rows cost time as long as an old transaction may see them.
 */
export function openQueue(lane: Lane, lease: Lease): Read {
  const marks = new Map<number, number>();
  return async () => {
    const [shards, { settled }] = [[...lease.shards], lease];
    const limit = pageOf(lane, shards);
    const after = shards.map((shard) => marks.get(shard) ?? 0);
    const records = await readQueue(lane.topic, shards, after, limit);
    const pages = Map.groupBy(records, ({ shard }) => shard);
    for (const shard of shards) marks.set(shard, markOf(settled, pages.get(shard)?.[0]));
    return { records, more: [...pages.values()].some(({ length }) => length === limit) };
  };
}

/**
 * The records that are held: behind one of their key that Kafka refused, or because their batch was not published
 * completely. Read key by key, so that a key with many records does not delay the others.
 */
export function openHeld(lane: Lane, lease: Lease): Read {
  const positions = new Map<number, Position>();
  return async () => {
    const shards = [...lease.shards];
    const limit = pageOf(lane, shards);
    const after = shards.map((shard) => positions.get(shard) ?? START);
    const records = await readHeld(lane.topic, shards, after, limit);
    const pages = Map.groupBy(records, ({ shard }) => shard);
    for (const shard of shards) positions.set(shard, nextPosition(pages.get(shard) ?? [], limit));
    const isFull = [...pages.values()].some(({ length }) => length === limit);
    return { records, more: isFull || records.some(({ isBehind }) => !isBehind) };
  };
}
