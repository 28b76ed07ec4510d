import { EventEmitter, once } from "node:events";
import type { Transaction } from "sequelize";
import type { Envelope } from "../services/shared/contracts.ts";
import { query } from "./database.ts";

/**
 * The only way to publish an event: it is committed with the change that it tells of (SPEC 7), and the outbox
 * service takes it from there. Lock the user's row first: then the ids are in order for each user.
 */
export async function enqueue(tx: Transaction, events: Envelope[]): Promise<void> {
  if (events.length === 0) return;
  await query(
    {
      name: "enqueue",
      text: "INSERT INTO outbox (user_id, envelope) SELECT * FROM unnest($1::uuid[], $2::json[])",
    },
    [events.map(({ userId }) => userId), events.map((event) => JSON.stringify(event))],
    tx,
  );
}

const commits = new EventEmitter();

/** Tells the relay of this process, if there is one, that events were committed. */
export const wakeRelay = (): boolean => commits.emit("commit");

/** Waits until events were committed in this process, or `ms` have passed, or `signal` says to stop. */
export const nextCommit = (ms: number, signal: AbortSignal): Promise<unknown> =>
  once(commits, "commit", { signal: AbortSignal.any([signal, AbortSignal.timeout(ms)]) }).catch(() => {});
