import { createHash } from "node:crypto";
import type { Context } from "moleculer";
import { transaction } from "../../models/database.ts";
import { call } from "../shared/call.ts";
import type { CountedEvent, Outcome } from "../shared/contracts.ts";
import { deadLetters, eventsConsumed } from "../shared/metrics.ts";
import { readMessage } from "./ingest.rules.ts";
import { insertDeadLetter, lockDue, postpone, removeWaiting } from "./ingest.store.ts";

/** When an event for an unknown user is tried again, in ms after the last try (SPEC 7); then it is given up. */
const RETRY_AFTER = [500, 1_000, 2_000, 4_000, 8_000];
const RETRY_BATCH = 100;

type Caller = Pick<Context, "call">;

/**
 * Takes one message: counts it, skips it, or keeps it as a dead letter. Returns the event that was read, if it was one.
 * @throws DependencyUnavailable: the message is not dealt with
 */
export async function ingest(ctx: Caller, topic: string, message: Buffer): Promise<CountedEvent | undefined> {
  const reading = readMessage(topic, message.toString());
  if (reading.kind === "skip") {
    eventsConsumed.inc({ topic, outcome: "skipped" });
  } else if (reading.kind === "dead") {
    const { code, message: reason } = reading;
    const key = `${topic}:${createHash("sha256").update(message).digest("hex")}`;
    await insertDeadLetter({ key, topic, event: message, code, message: reason, retryAt: null });
    deadLetters.inc({ topic, code });
  } else {
    await count(ctx, reading.event, message);
    return reading.event;
  }
}

async function count(ctx: Caller, event: CountedEvent, message: Buffer): Promise<void> {
  const [outcome] = await call(ctx, "stats.apply", { events: [event] });
  if (outcome === "unknown-user") await waitForUser(event, message);
  eventsConsumed.inc({ topic: event.topic, outcome });
}

/** The user may be about to sign up: the event waits beside the stream, and holds up nothing. */
function waitForUser({ key, topic, userId }: CountedEvent, event: Buffer): Promise<void> {
  const message = `User with ID ${userId} not found`;
  const retryAt = new Date(Date.now() + (RETRY_AFTER[0] ?? 0));
  return insertDeadLetter({ key, topic, event, code: "USER_NOT_FOUND", message, retryAt });
}

/** Tries those again whose time has come. What counted is removed; what failed for the last time is given up. */
export function retryWaiting(ctx: Caller): Promise<void> {
  return transaction(async (tx) => {
    const waiting = await lockDue(tx, RETRY_BATCH);
    if (waiting.length === 0) return;
    const readings = waiting.map(({ topic, event }) => readMessage(topic, event.toString()));
    const events = readings.flatMap((reading) => (reading.kind === "event" ? [reading.event] : []));
    const outcomes = await call(ctx, "stats.apply", { events });
    for (const [index, { id, topic, retryCount }] of waiting.entries()) {
      const outcome = outcomes[index] as Outcome;
      eventsConsumed.inc({ topic, outcome });
      if (outcome !== "unknown-user") {
        await removeWaiting(tx, id);
        continue;
      }
      const wait = RETRY_AFTER[retryCount + 1];
      await postpone(tx, id, wait === undefined ? null : new Date(Date.now() + wait));
      if (wait === undefined) deadLetters.inc({ topic, code: "USER_NOT_FOUND" });
    }
  });
}
