import { EventEmitter, once } from "node:events";
import type { Transaction } from "sequelize";
import { type Cause, type DomainEvent, toEnvelope, USER_EVENTS } from "../lib/contract/events.ts";
import { query } from "./database.ts";

/** A record on its way to a topic: `value` as JSON; records of one key stay in order. */
export type OutboxRecord = {
  topic: string;
  key: string | null;
  value: string;
  /** Of the span that enqueued it. */
  traceparent?: string;
};

/** An event of ours as the record that tells of it (SPEC 7). */
export const toRecord = (event: DomainEvent, cause: Cause, now?: Date): OutboxRecord => ({
  topic: USER_EVENTS,
  key: event.userId,
  value: JSON.stringify(toEnvelope(event, cause, now)),
  traceparent: cause.traceparent,
});

/**
 * The only way to publish: what is enqueued is committed with the change that it tells of, and the outbox service
 * takes it from there. Lock the user's row first: then the ids are in order for each user.
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
    (["topic", "key", "value", "traceparent"] as const).map((column) =>
      records.map((record) => record[column]),
    ),
    tx,
  );
}

const commits = new EventEmitter();
let unseen = false;

/** Tells the relay of this process, if there is one, that records were committed. */
export function wakeRelay(): void {
  unseen = true; // it may be at work just now, on what it found before
  commits.emit("commit");
}

/** Waits until records were committed in this process since the last wait, `ms` have passed, or `signal` says to stop. */
export async function nextCommit(ms: number, signal: AbortSignal): Promise<void> {
  const end = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  if (!unseen) await once(commits, "commit", { signal: end }).catch(() => {});
  unseen = false;
}
