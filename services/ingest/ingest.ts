import { createHash } from "node:crypto";
import type { Context, Service, Span } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import type { CountedEvent, Outcome } from "../../lib/contract/contracts.ts";
import type { ConsumedRecord } from "../../lib/kafka/consumer.ts";
import { deadLetters, eventsConsumed } from "../../lib/runtime/metrics.ts";
import { startSpanBelow } from "../../lib/tracing/spans.ts";
import { type ParentSpan, readTraceparent, toTraceparent } from "../../lib/tracing/trace-context.ts";
import { transaction } from "../../models/database.ts";
import { wakeRelay } from "../../models/outbox.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { type Reading, readMessage } from "./ingest.rules.ts";
import { keepDeadLetters, lockDue, postpone, removeWaiting, type Waiting } from "./ingest.store.ts";

/** When an event for an unknown user is tried again, in ms after the last try (SPEC 7); then it is given up. */
const RETRY_AFTER = [500, 1_000, 2_000, 4_000, 8_000];
/** Events that are counted in one transaction; as a call they stay well below Kafka's limit of a message. */
const BATCH = 1_000;

type Caller = Pick<Context, "call">;
type Reader = Pick<Service, "broker" | "logger">;

/** A message of a topic: from Kafka, or emitted natively, which has no place there. */
export type Message = Pick<ConsumedRecord, "topic" | "value" | "traceparent"> & {
  partition: number | null;
  offset: string | null;
};

type Read<Kind extends Reading["kind"]> = { message: Message; reading: Extract<Reading, { kind: Kind }> };

/**
 * Deals with messages: each is counted once, skipped, or kept as a dead letter. Resolves when that is committed.
 * @throws DependencyUnavailable: it can't be told how many; safe to repeat
 */
export async function ingest(service: Reader, messages: Message[]): Promise<void> {
  for (let start = 0; start < messages.length; start += BATCH)
    await traced(service, messages.slice(start, start + BATCH), (batch, parent) =>
      ingestBatch(service, batch, parent),
    );
}

/**
 * Gives each message that comes with a trace a span there, for as long as its batch takes; the batch itself goes on
 * from the first one.
 */
async function traced(
  { broker }: Reader,
  messages: Message[],
  work: (messages: Message[], parent: ParentSpan | undefined) => Promise<void>,
): Promise<void> {
  const spans: Span[] = [];
  const below = messages.map((message) => {
    const span = startSpanBelow(broker, message.traceparent, `consume ${message.topic}`, "consumer");
    if (!span) return message;
    spans.push(span);
    return { ...message, traceparent: toTraceparent(span) };
  });
  const [parent = readTraceparent(messages[0]?.traceparent)] = spans;
  try {
    await work(below, parent);
  } catch (error) {
    for (const span of spans) span.setError(error as Error);
    throw error;
  } finally {
    for (const span of spans) span.finish();
  }
}

async function ingestBatch(
  { broker, logger }: Reader,
  messages: Message[],
  parentSpan?: ParentSpan,
): Promise<void> {
  const read = messages.map((message) => ({ message, reading: readMessage(message.topic, textOf(message)) }));
  const events = read.filter((one): one is Read<"event"> => one.reading.kind === "event");
  const dead = read.filter((one): one is Read<"dead"> => one.reading.kind === "dead");
  const skipped = read.filter(({ reading }) => reading.kind === "skip");

  const outcomes = await count(
    broker,
    events.map(({ message, reading }) => ({ ...reading.event, traceparent: message.traceparent })),
    parentSpan,
  );
  const unknown = events.filter((_, index) => outcomes[index] === "unknown-user");
  await keepDeadLetters([...dead.map(toPoison), ...unknown.map(toWaiting)]);

  for (const [index, { message, reading }] of events.entries()) {
    const { topic, eventType, userId, correlationId } = reading.event;
    const outcome = outcomes[index];
    eventsConsumed.inc({ topic, outcome });
    const traceId = readTraceparent(message.traceparent)?.traceID ?? correlationId;
    logger.debug({ action: "event_consume", userId, traceId, eventType, outcome }, "Event consumed");
  }
  for (const { message } of skipped) eventsConsumed.inc({ topic: message.topic, outcome: "skipped" });
  for (const { message, reading } of dead) {
    const { topic, partition, offset } = message;
    deadLetters.inc({ topic, code: reading.code });
    const line = { action: "event_dead_letter", topic, partition, offset, code: reading.code };
    logger.warn(line, `Event given up: ${reading.message}`);
  }
  logger.info(
    { action: "event_consume", topic: messages[0]?.topic, count: messages.length },
    "Events consumed",
  );
}

const textOf = ({ value }: Message): string | null => value?.toString() ?? null;

const count = async (ctx: Caller, events: CountedEvent[], parentSpan?: ParentSpan): Promise<Outcome[]> =>
  events.length === 0 ? [] : call(ctx, "stats.apply", { events }, { parentSpan });

/** Given up at once. Two that are the same are still two, where they stand in different places. */
function toPoison({ message, reading }: Read<"dead">): DeadLetter & { retryAt: null } {
  const { topic, partition, offset } = message;
  const event = message.value ?? Buffer.alloc(0);
  const digest = createHash("sha256").update(event).digest("hex");
  const key = `${topic}:${partition ?? ""}:${offset ?? ""}:${digest}`;
  const { code, message: reason } = reading;
  return { key, topic, partition, offset, event, code, message: reason, retryCount: 0, retryAt: null };
}

/** The user may be about to sign up: the event waits beside the stream, and holds up nothing. */
function toWaiting({ message, reading }: Read<"event">): DeadLetter & { retryAt: Date } {
  const { key, topic, userId } = reading.event;
  const { partition, offset, value } = message;
  return {
    key,
    topic,
    partition,
    offset,
    event: value ?? Buffer.alloc(0),
    code: "USER_NOT_FOUND",
    message: `User with ID ${userId} not found`,
    retryCount: 0,
    retryAt: new Date(Date.now() + (RETRY_AFTER[0] ?? 0)),
  };
}

/** Tries those again whose time has come. What counted is removed; what failed for the last time is given up. */
export async function retryWaiting(ctx: Caller): Promise<void> {
  await transaction(async (tx) => {
    const waiting = await lockDue(tx, BATCH);
    const events = waiting.map(eventOf);
    const outcomes = await count(
      ctx,
      events.flatMap((event) => event ?? []),
    );
    for (const [index, letter] of waiting.entries()) {
      if (!events[index]) {
        await postpone(tx, letter, null); // replayed, and still not to be read
        continue;
      }
      const outcome = outcomes.shift() as Outcome;
      eventsConsumed.inc({ topic: letter.topic, outcome });
      if (outcome !== "unknown-user") {
        await removeWaiting(tx, letter);
        continue;
      }
      const wait = RETRY_AFTER[letter.retryCount + 1];
      await postpone(tx, letter, wait === undefined ? null : new Date(Date.now() + wait));
      if (wait === undefined) deadLetters.inc({ topic: letter.topic, code: letter.code });
    }
  });
  wakeRelay();
}

function eventOf({ topic, event }: Waiting): CountedEvent | undefined {
  const reading = readMessage(topic, event.toString());
  return reading.kind === "event" ? reading.event : undefined;
}
