import { setTimeout as sleep } from "node:timers/promises";
import { faultOf } from "../../lib/kafka/faults.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { backoffDelay, pause } from "../../lib/runtime/tasks.ts";
import { transaction } from "../../models/database.ts";
import { commitCount, nextCommit } from "../../models/outbox.ts";
import {
  lockTopic,
  type Pending,
  type Position,
  readPending,
  removePublished,
  setAside,
} from "./outbox.store.ts";
import { afterTopicRefusal, type Lane, nextPosition, START } from "./relay.rules.ts";

/** In ms. Finds commits of other nodes, which do not wake this relay. */
const POLL_EVERY = 1_000;
/** In ms. After a commit the relay waits for further ones: records published together cost one transaction. */
const LINGER = 2;
/** In ms. The delay after a batch of which nothing was published. */
const BACKOFF = { first: 100, last: 5_000 };

/** The relay's dependencies. */
export type RelayPort = {
  /** Publishes records, in order per key. Never rejects. */
  publish(topic: string, records: Pending[]): Promise<Produced<Pending>>;
  /** Called after the outcome of a batch is committed. */
  onCommitted(topic: string, outcome: Produced<Pending>): void;
  /** Called with the reason if records must wait. */
  onDelay(topic: string, error: unknown): void;
};

const NOTHING: Produced<Pending> = { published: [], refused: [] };

/**
 * A pass over all keys of a topic. `last`: it began after the signal to stop, so it has seen everything committed
 * before.
 */
type Round = { after: Position; commits: number; progress: boolean; unfinished: boolean; last: boolean };

const newRound = ({ topic }: Lane, signal: AbortSignal): Round => ({
  after: START,
  commits: commitCount(topic),
  progress: false,
  unfinished: false,
  last: signal.aborted,
});

/**
 * Publishes the committed records of one topic, at least once and in order per key, until `signal` aborts; records
 * committed by then are still published. A record that is refused for good is set aside, and later ones of its key wait
 * behind it. Records that cannot be published now stay, and are retried with back-off.
 */
export async function runLane(lane: Lane, port: RelayPort, signal: AbortSignal): Promise<void> {
  let round = newRound(lane, signal);
  let failures = 0;
  let refusingSince: number | undefined;
  for (;;) {
    const { records, outcome } = await relayBatch(lane, port, round.after, refusingSince).catch(failed);
    const { published, refused, failure } = outcome;
    const progress = published.length + refused.length > 0;
    round.after = nextPosition(records, lane.batch);
    round.progress ||= progress;
    round.unfinished ||= round.after !== START || published.length + refused.length < inTurn(records).length;
    if (published.length > 0) refusingSince = undefined;

    if (failure) {
      port.onDelay(lane.topic, failure);
      if (signal.aborted) return;
      refusingSince = faultOf(failure).scope === "topic" ? (refusingSince ?? Date.now()) : undefined;
      failures = progress ? 0 : failures + 1;
      await pause(backoffDelay(BACKOFF, failures), signal);
    } else failures = 0;

    if (round.after !== START) continue;
    const { commits, unfinished } = round;
    const isDone = !failure && !(unfinished && round.progress);
    if (isDone && round.last) return;
    if (isDone) {
      await nextCommit(lane.topic, commits, POLL_EVERY, signal);
      await sleep(LINGER);
    }
    round = newRound(lane, signal);
  }
}

const inTurn = (records: Pending[]): Pending[] => records.filter(({ held }) => !held);

type Batch = { records: Pending[]; outcome: Produced<Pending> };

const failed = (failure: unknown): Batch => ({ records: [], outcome: { ...NOTHING, failure } });

/**
 * Publishes a batch in the transaction that deletes it: if the node dies in between, the batch is published again.
 * Returns the records that were read, held ones included, and the outcome of the others.
 */
async function relayBatch(
  lane: Lane,
  port: RelayPort,
  after: Position,
  refusingSince: number | undefined,
): Promise<Batch> {
  const batch = await transaction(async (tx) => {
    if (!(await lockTopic(tx, lane.lock))) return { records: [], outcome: NOTHING };
    const records = await readPending(tx, lane.topic, after, lane.batch);
    const ready = inTurn(records);
    if (ready.length === 0) return { records, outcome: NOTHING };
    const produced = await port.publish(lane.topic, ready);
    const outcome = afterTopicRefusal(produced, ready, refusingSince, Date.now());
    await removePublished(tx, outcome.published);
    await setAside(tx, outcome.refused);
    return { records, outcome };
  });
  port.onCommitted(lane.topic, batch.outcome);
  return batch;
}
