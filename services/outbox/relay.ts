import { setTimeout as sleep } from "node:timers/promises";
import { faultOf } from "../../lib/kafka/faults.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { backoffDelay, pause } from "../../lib/runtime/tasks.ts";
import { commitCount, nextCommit } from "../../models/outbox.ts";
import { type Lease, underLease } from "./lease.ts";
import { type Pending, removePublished, takeOut } from "./outbox.store.ts";
import { openHeld, openQueue, type Read } from "./queues.ts";
import { afterTopicRefusal, type Lane, toHold } from "./relay.rules.ts";

/** In ms. Finds commits of other nodes, which do not wake this relay: soon after the last one, then less often. */
const POLL = { first: 5, last: 1_000 };
/** In ms. After a commit the relay waits for further ones: records published together share their statements and requests. */
const LINGER = 1;
/** In ms. How often held records are looked at. */
const HELD_EVERY = 1_000;
/** In ms. The delay after a batch of which nothing was published, and after a lease that was lost. */
const BACKOFF = { first: 100, last: 5_000 };

/** The relay's dependencies. */
export type RelayPort = {
  /** Publishes records, in order per key. Never rejects. */
  publish(topic: string, records: Pending[]): Promise<Produced<Pending>>;
  /** Called after the outcome of a batch is committed. */
  onCommitted(topic: string, outcome: Produced<Pending>): void;
  /** Called with the reason if records must wait; without a topic, if there is no lease. */
  onDelay(error: unknown, topic?: string): void;
};

/**
 * Publishes the committed records of this node's shards, at least once and in order per key, until `stop` aborts;
 * records committed by then are still published.
 */
export async function runRelay(lanes: Lane[], port: RelayPort, stop: AbortSignal): Promise<void> {
  for (let failures = 0; !stop.aborted; )
    try {
      await underLease(async (lease) => {
        failures = 0;
        await Promise.all(lanes.map((lane) => runLane(lane, lease, port, stop)));
      });
    } catch (error) {
      port.onDelay(error);
      await pause(backoffDelay(BACKOFF, failures++), stop);
    }
}

/**
 * Publishes one topic under a lease. A record that is refused for good is set aside, and later ones of its key are held
 * behind it. Records that cannot be published now are retried with back-off.
 */
export function runLane(lane: Lane, lease: Lease, port: RelayPort, stop: AbortSignal): Promise<unknown> {
  const { topic } = lane;
  const soon = AbortSignal.any([stop, lease.over]);
  const queue: Place = {
    topic,
    read: openQueue(lane, lease),
    toHold,
    async next(commits, idle) {
      await nextCommit(topic, commits, backoffDelay(POLL, idle), soon);
      await sleep(LINGER);
    },
  };
  const held: Place = {
    topic,
    read: openHeld(lane, lease),
    toHold: () => [],
    next: () => pause(HELD_EVERY, soon),
  };
  return Promise.all([queue, held].map((place) => drain(place, port, stop, lease.over)));
}

/** Where records of a topic wait. */
type Place = {
  topic: string;
  read: Read;
  /** The records of a batch that must not stay there. */
  toHold: typeof toHold;
  /** Waits until it is worth reading again. `commits` were known before the last read, `idle` reads found nothing. */
  next(commits: number, idle: number): Promise<void>;
};

/** Publishes what waits in a place until the lease is over, or until nothing does that was there before the stop. */
async function drain(place: Place, port: RelayPort, stop: AbortSignal, over: AbortSignal): Promise<void> {
  const { topic } = place;
  const soon = AbortSignal.any([stop, over]);
  let [failures, idle] = [0, 0];
  let refusingSince: number | undefined;
  while (!over.aborted) {
    const [last, commits] = [stop.aborted, commitCount(topic)];
    const { more, outcome } = await relayBatch(place, port, refusingSince).catch(failed);
    const { published, refused, failure } = outcome;
    const progress = published.length + refused.length > 0;
    if (published.length > 0) refusingSince = undefined;

    if (failure) {
      port.onDelay(failure, topic);
      if (stop.aborted) return;
      refusingSince = faultOf(failure).scope === "topic" ? (refusingSince ?? Date.now()) : undefined;
      failures = progress ? 0 : failures + 1;
      await pause(backoffDelay(BACKOFF, failures), soon);
    } else failures = 0;

    if (failure || more) continue;
    if (last) return;
    idle = progress ? 0 : idle + 1;
    await place.next(commits, idle);
  }
}

const NOTHING: Produced<Pending> = { published: [], refused: [] };

type Batch = { more: boolean; outcome: Produced<Pending> };

const failed = (failure: unknown): Batch => ({ more: false, outcome: { ...NOTHING, failure } });

/** Publishes a batch, then deletes it: if the node dies in between, the batch is published again. */
async function relayBatch(
  { topic, read, toHold }: Place,
  port: RelayPort,
  refusingSince: number | undefined,
): Promise<Batch> {
  const { records, more } = await read();
  const inTurn = records.filter(({ isBehind }) => !isBehind);
  const produced = inTurn.length > 0 ? await port.publish(topic, inTurn) : NOTHING;
  const outcome = afterTopicRefusal(produced, inTurn, refusingSince, Date.now());
  await removePublished(outcome.published);
  await takeOut(outcome.refused, toHold(records, outcome));
  port.onCommitted(topic, outcome);
  return { more, outcome };
}
