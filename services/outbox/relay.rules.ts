import { crc32 } from "node:zlib";
import { deadLetterTopic, USER_EVENTS } from "../../lib/contract/events.ts";
import { faultOf } from "../../lib/kafka/faults.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { CONSUMED_TOPICS, consumedTopics } from "../ingest/ingest.contract.ts";
import type { Pending, Position } from "./outbox.store.ts";

/**
 * A topic that is relayed independently: a slow or missing topic, or one that refuses records, does not delay others.
 * `lock` is the advisory lock of its relay, `batch` the number of records that are published at once.
 */
export type Lane = { topic: string; lock: number; batch: number };

const FIRST_LOCK = 8_300_302;

/** The locks of configured topics are above all others. */
const CONFIGURED_LOCKS = 2 ** 40;

const FIXED = [USER_EVENTS, ...CONSUMED_TOPICS.map(deadLetterTopic)];

/** The same on all nodes, whatever the order of the configured topics. */
function lockOf(topic: string): number {
  const index = FIXED.indexOf(topic);
  return index < 0 ? CONFIGURED_LOCKS + crc32(topic) : FIRST_LOCK + index;
}

/** Dead letters are published in small batches, because each may have most of a megabyte. */
export const lanesOf = (keycloakTopics: string[]): Lane[] =>
  [USER_EVENTS, ...consumedTopics(keycloakTopics).map(deadLetterTopic)].map((topic) => ({
    topic,
    lock: lockOf(topic),
    batch: topic === USER_EVENTS ? 500 : 50,
  }));

/** The position before the first record of a topic. */
export const START: Position = { key: "", id: 0 };

/**
 * Returns where to continue after a batch: after its last key, even if that key has more records. A round over all keys
 * thus gives each key at most one batch, and a record waits for at most one round, however many records another user
 * has. A batch that is not full ends the round.
 */
export function nextPosition(records: Pending[], limit: number): Position {
  const last = records.length < limit ? undefined : records.at(-1);
  return last ? { key: last.key ?? "", id: Number.MAX_SAFE_INTEGER } : START;
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
