import type { Service, Span } from "moleculer";
import { config } from "../../lib/config/config.ts";
import { deadLetters, eventsConsumed } from "../../lib/runtime/metrics.ts";
import { startSpanBelow } from "../../lib/tracing/spans.ts";
import { type ParentSpan, readTraceparent, toTraceparent } from "../../lib/tracing/trace-context.ts";
import type { Receipt } from "../users/users.contract.ts";
import { countEvents } from "./count.ts";
import { type DeadLetterCode, givenUp, type Message, waiting } from "./dead-letter.ts";
import { passHints } from "./hints.ts";
import { type Reading, readMessage } from "./ingest.rules.ts";
import { keepDeadLetters } from "./ingest.store.ts";
import { inParts, isNotNow, isolate } from "./isolate.ts";
import { recordReceipts } from "./receipts.ts";
import { RETRY_AFTER } from "./retry.ts";

/** The limits of messages that are processed together. */
const BATCH = { count: 1_000, bytes: 16 * 1024 * 1024 };

type Runner = Pick<Service, "broker" | "logger">;
type WithReading<Kind extends Reading["kind"]> = {
  message: Message;
  reading: Extract<Reading, { kind: Kind }>;
};
type Dead = { message: Message; code: DeadLetterCode; reason: string };

/**
 * Processes messages: each is counted once, skipped, or stored as a dead letter, including any that cannot be
 * processed. Resolves when that is committed.
 * @throws a temporary error ("not now"): it is unknown which messages were processed; safe to repeat
 */
export async function ingest(runner: Runner, messages: Message[]): Promise<void> {
  for (const part of inParts(messages, ({ value }) => value?.length ?? 0, BATCH))
    await traced(runner, part, (batch, parent) =>
      isolate(
        batch,
        (some) => ingestBatch(runner, some, parent),
        (message, reason) => setAside(runner, message, reason),
      ),
    );
}

/**
 * Starts a span for each message with a trace, for the duration of its batch. The batch itself belongs to the first
 * trace.
 */
async function traced(
  { broker }: Runner,
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
  { broker, logger }: Runner,
  messages: Message[],
  parentSpan?: ParentSpan,
): Promise<void> {
  const read = messages.map((message) => ({
    message,
    reading: readMessage(message.topic, message.value, config.keycloakTopics),
  }));
  const events = read
    .filter((one): one is WithReading<"event"> => one.reading.kind === "event")
    .map(({ message, reading }) => ({
      message,
      event: { ...reading.event, traceparent: message.traceparent },
    }));
  const unreadable = read
    .filter((one): one is WithReading<"dead"> => one.reading.kind === "dead")
    .map(({ message, reading }): Dead => ({ message, code: reading.code, reason: reading.message }));
  const receipts = read
    .filter((one): one is WithReading<"receipt"> => one.reading.kind === "receipt")
    .map(({ message, reading }) => ({ message, topic: message.topic, receipt: reading.receipt }));
  const hints = read
    .filter((one): one is WithReading<"hint"> => one.reading.kind === "hint")
    .map(({ message, reading }) => ({ topic: message.topic, hint: reading.hint }));
  const skipped = read.filter(({ reading }) => reading.kind === "skip");

  await passHints(broker, hints);
  const received = await recordReceipts(broker, receipts);
  const rejected = received.filter(({ outcome }) => outcome === "unknown-erasure");
  const dead = [...unreadable, ...rejected.map(({ item }) => ofNoErasure(item))];
  const counted = await countEvents(broker, events, parentSpan);
  const unknown = counted.filter(({ outcome }) => outcome === "unknown-user");
  await keepDeadLetters([
    ...dead.map(({ message, code, reason }) => givenUp(message, code, reason)),
    ...unknown.map(({ item }) => waiting(item.message, item.event, RETRY_AFTER[0])),
  ]);

  for (const { item, outcome } of counted) {
    const { topic, eventType, userId, correlationId } = item.event;
    eventsConsumed.inc({ topic, outcome });
    const traceId = readTraceparent(item.message.traceparent)?.traceID ?? correlationId;
    logger.debug({ action: "event_consume", userId, traceId, eventType, outcome }, "Event consumed");
  }
  for (const { message } of skipped) eventsConsumed.inc({ topic: message.topic, outcome: "skipped" });
  for (const one of dead) report(logger, one);
  const topic = messages[0]?.topic;
  logger.info({ action: "event_consume", topic, count: messages.length }, "Events consumed");
}

const ofNoErasure = ({ message, receipt }: { message: Message; receipt: Receipt }): Dead => ({
  message,
  code: "VALIDATION_ERROR",
  reason: `Erasure with ID ${receipt.erasureId} not found`,
});

function report(logger: Runner["logger"], { message, code, reason }: Dead): void {
  const { topic, partition, offset } = message;
  deadLetters.inc({ topic, code });
  const line = { action: "event_dead_letter", topic, partition, offset, code };
  logger.warn(line, `Event given up: ${reason}`);
}

/**
 * Stores a message that cannot be processed as a dead letter. If even that fails, the message is reported and skipped:
 * its position is in the log, and Kafka still has it.
 * @throws a temporary error ("not now")
 */
async function setAside({ logger }: Runner, message: Message, cause: unknown): Promise<void> {
  const reason = String((cause as Error)?.message ?? cause);
  try {
    await keepDeadLetters([givenUp(message, "PROCESSING_ERROR", reason)]);
  } catch (error) {
    if (isNotNow(error)) throw error;
    const { topic, partition, offset } = message;
    logger.error({ action: "event_lost", topic, partition, offset }, "A dead letter cannot be stored", error);
  }
  report(logger, { message, code: "PROCESSING_ERROR", reason });
}
