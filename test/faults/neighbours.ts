import { setTimeout as sleep } from "node:timers/promises";
import type { ConsumedEventType } from "../../services/ingest/ingest.contract.ts";
import { CONSUMED } from "../../services/ingest/ingest.contract.ts";
import type { Account, Ledger } from "./ledger.ts";
import { pick } from "./random.ts";
import type { Topics } from "./topics.ts";

const PAUSE = 50; // ms, between batches
const BATCH = 10;
const SENT_TWICE = 0.2;

/** A message of another service, and the time of its creation, in ms. */
export type SentEvent = { topic: string; eventId: string; value: string; at: number };

let count = 0;
const TYPES = Object.keys(CONSUMED) as ConsumedEventType[];
/** An independent copy of contract 7, so that the service is not checked against its own rules. */
const EFFECT: Record<ConsumedEventType, (amount: number) => Partial<Account["sums"]>> = {
  "interview.created": () => ({ created: 1, active: 1 }),
  "interview.completed": (amount) => ({ active: -1, candidates: amount }),
  "media.uploaded": (amount) => ({ bytes: amount }),
  "media.deleted": (amount) => ({ bytes: -amount }),
};

/** Creates an event about a user, in either envelope, and adds it to the ledger. */
export function newEvent(ledger: Ledger, { id: userId, sums }: Account): SentEvent {
  const eventType = pick(TYPES);
  const { topic } = CONSUMED[eventType];
  const [eventId, amount] = [`evt-${++count}`, 1 + (count % 9)];
  ledger.events++;
  for (const [counter, n] of Object.entries(EFFECT[eventType](amount)))
    sums[counter as keyof typeof sums] += n;
  const subject = topic === "media-events" ? { fileId: eventId } : { interviewId: eventId };
  const data = { ...subject, fileSize: amount, completedCandidates: amount };
  const envelope =
    count % 2
      ? { eventId, eventType, userId, data }
      : { eventId, eventType, timestamp: Date.now(), payload: { userId, ...data } };
  return { topic, eventId, value: JSON.stringify(envelope), at: Date.now() };
}

/** Sends messages, each with its own key and therefore in no fixed order. */
export async function send(topics: Topics, sent: SentEvent[]): Promise<void> {
  for (const [topic, ofTopic] of Map.groupBy(sent, (one) => one.topic))
    await topics.send(
      topic,
      ofTopic.map(({ eventId: key, value }) => ({ key, value })),
    );
}

/** Sends events about the ledger's users, some of them twice, until it is stopped. `sent` contains all of them. */
export function startNeighbours(
  topics: Topics,
  ledger: Ledger,
): { sent: SentEvent[]; stop(): Promise<void> } {
  let stopped = false;
  const sent: SentEvent[] = [];
  const sendUntilStopped = async () => {
    while (!stopped) {
      await sleep(PAUSE);
      if (ledger.accounts.length === 0) continue;
      const batch = Array.from({ length: BATCH }, () => newEvent(ledger, pick(ledger.accounts)));
      sent.push(...batch);
      const again = batch.filter(() => Math.random() < SENT_TWICE).map(() => pick(sent));
      await send(topics, [...batch, ...again]);
    }
  };
  const sending = sendUntilStopped();
  return {
    sent,
    async stop() {
      stopped = true;
      await sending;
    },
  };
}
