import { EventEmitter, once } from "node:events";
import type { Transaction } from "sequelize";
import { type Cause, toEnvelope, USER_EVENTS } from "../lib/contract/events.ts";
import type { DomainEvent } from "../services/contracts.ts";
import { query } from "./database.ts";

/** A record for a topic: `value` is JSON; records with the same key stay in order. */
export type OutboxRecord = {
  topic: string;
  key: string | null;
  value: string;
  /** The W3C trace context of the span that enqueued it. */
  traceparent?: string;
};

/** The outbox record of one of our events (contract 7), and the id that the event got. */
export function toRecord(event: DomainEvent, cause: Cause, now?: Date): OutboxRecord & { eventId: string } {
  const envelope = toEnvelope(event, cause, now);
  return {
    topic: USER_EVENTS,
    key: event.userId,
    value: JSON.stringify(envelope),
    traceparent: cause.traceparent,
    eventId: envelope.eventId,
  };
}

/** Records by column, as `unnest` needs them: topic, key, value, traceparent. */
export const columnsOfRecords = (records: OutboxRecord[]) =>
  (["topic", "key", "value", "traceparent"] as const).map((column) =>
    records.map((record) => record[column]),
  );

/**
 * The only way to publish: a record is committed together with the change that it reports, and the outbox service
 * publishes it. Lock the user's row first, so that each user's ids are in order.
 */
export async function enqueue(tx: Transaction, records: OutboxRecord[]): Promise<void> {
  if (records.length === 0) return;
  await query(
    {
      name: "enqueue",
      text: `
        INSERT INTO outbox (topic, key, value, traceparent)
        SELECT * FROM unnest($1::text[], $2::text[], $3::json[], $4::text[])`,
    },
    columnsOfRecords(records),
    tx,
  );
}

const commits = new EventEmitter();
const committed = new Map<string, number>();

/** How often the relay of a topic was woken in this process. */
export const commitCount = (topic: string): number => committed.get(topic) ?? 0;

/** Wakes the relay of a topic, if this process has one, after records were committed. */
export function wakeRelay(topic: string = USER_EVENTS): void {
  committed.set(topic, commitCount(topic) + 1);
  commits.emit(topic);
}

/** Waits until the topic's relay was woken more than `count` times, for `ms` at most, or until `signal` aborts. */
export async function nextCommit(
  topic: string,
  count: number,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  if (commitCount(topic) !== count) return;
  const end = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  await once(commits, topic, { signal: end }).catch(() => {});
}
