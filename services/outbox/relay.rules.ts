import { deadLetterTopic, USER_EVENTS } from "../../lib/contract/events.ts";
import { faultOf } from "../../lib/kafka/faults.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { consumedTopics } from "../ingest/ingest.contract.ts";
import type { Pending, Position } from "./outbox.store.ts";

/**
 * A topic that is relayed independently: a slow or missing topic, or one that refuses records, does not delay others.
 * `batch` is how many records are published at once, the same number of each shard.
 */
export type Lane = { topic: string; batch: number };

/** Of dead letters few are published at once, because each may have most of a megabyte. */
export const lanesOf = (keycloakTopics: string[]): Lane[] =>
  [USER_EVENTS, ...consumedTopics(keycloakTopics).map(deadLetterTopic)].map((topic) => ({
    topic,
    batch: topic === USER_EVENTS ? 1_600 : 64,
  }));

/** The number of records to read of each shard. */
export const pageOf = ({ batch }: Lane, shards: number[]): number => Math.ceil(batch / (shards.length || 1));

/** The largest number of shards that a node takes, if so many nodes publish. */
export const shareOf = (shards: number, nodes: number): number => Math.ceil(shards / nodes);

/** An id, and the transactions that were writing to the outbox when it was the last one. */
export type Barrier = { lastId: number; writers: string[] };

/** Whether all records up to the barrier's id are committed or will never be: its writers have ended. */
export const isSettled = (barrier: Barrier, { writers }: Barrier): boolean =>
  !barrier.writers.some((writer) => writers.includes(writer));

/**
 * Returns the id behind which to read a shard's queue from now on: nothing up to it waits, or will.
 * @param settled all records up to this id were committed, or will never be, when the queue was read
 * @param first the first record that was read
 */
export const markOf = (settled: number, first: Pending | undefined): number =>
  Math.min(settled, (first?.id ?? Number.POSITIVE_INFINITY) - 1);

/** The position before the first held record of a shard. */
export const START: Position = { key: "", id: 0 };

/**
 * Returns where to continue with a shard's held records: after the last key of a full page, even if that key has more
 * records. Each key thus gets its turn, however many records another one has.
 */
export function nextPosition(page: Pending[], limit: number): Position {
  const last = page.length < limit ? undefined : page.at(-1);
  return last ? { key: last.key ?? "", id: Number.MAX_SAFE_INTEGER } : START;
}

/**
 * Returns the records of a batch that must be held. If nothing at all was published or refused, that is an outage, and
 * only those behind others are held; the rest keep their place in the queue.
 */
export function toHold(records: Pending[], { published, refused }: Produced<Pending>): Pending[] {
  const done = new Set([...published, ...refused.map(({ record }) => record)]);
  return records.filter((record) => record.isBehind || (done.size > 0 && !done.has(record)));
}

/**
 * How long a topic may refuse everything before its records are set aside, in ms: topics and permissions may be
 * restored.
 */
const TOPIC_PATIENCE = 30_000;

/**
 * Decides about a batch that failed because the topic itself refuses records: for the first 30 s the records wait as in
 * an outage, then the first of each key is set aside.
 * @param refusingSince when the topic began to refuse everything, in ms; undefined if it did not before
 */
export function afterTopicRefusal(
  produced: Produced<Pending>,
  records: Pending[],
  refusingSince: number | undefined,
  now: number,
): Produced<Pending> {
  const { published, refused, failure } = produced;
  const isOver = refusingSince !== undefined && now - refusingSince >= TOPIC_PATIENCE;
  if (!(isOver && failure && faultOf(failure).scope === "topic")) return produced;
  const done = new Set([...published, ...refused.map(({ record }) => record)]);
  const keys = new Set<string | null>(refused.map(({ record }) => record.key));
  const isFirst = ({ key }: Pending) => key === null || (!keys.has(key) && keys.add(key));
  const first = records.filter((record) => !done.has(record) && isFirst(record));
  const fault = faultOf(failure).name;
  return { published, refused: [...refused, ...first.map((record) => ({ record, fault }))] };
}
