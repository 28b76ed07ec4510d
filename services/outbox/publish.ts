import type { ServiceBroker, Span } from "moleculer";
import type { Envelope } from "../../lib/contract/contracts.ts";
import { USER_EVENTS } from "../../lib/contract/events.ts";
import type { TopicProducer } from "../../lib/kafka/producer.ts";
import { eventsPublished } from "../../lib/runtime/metrics.ts";
import { startSpanBelow } from "../../lib/tracing/spans.ts";
import { type ParentSpan, readTraceparent, toTraceparent } from "../../lib/tracing/trace-context.ts";
import type { Pending } from "./outbox.store.ts";

/** How long a listener in this process may take before its user's next event goes out all the same, in ms. */
const LISTENER_LIMIT = 5_000;

/** An event of ours; a dead letter has none, as it is of no interest to Moleculer services. */
type Publication = { record: Pending; event?: Envelope; span?: Span };

/**
 * Publishes records to Kafka, where there is one, and then our own events natively too. In this order: an outage of
 * Kafka repeats nothing to the listeners. Returns the events.
 */
export async function publish(
  broker: ServiceBroker,
  producer: TopicProducer | undefined,
  records: Pending[],
): Promise<Envelope[]> {
  const publications = records.map((record): Publication => {
    const { topic, value, traceparent } = record;
    const event = topic === USER_EVENTS ? JSON.parse(value) : undefined;
    return { record, event, span: startSpanBelow(broker, traceparent, `publish ${topic}`, "producer") };
  });
  try {
    await producer?.produce(publications.map((one) => ({ ...one.record, headers: headersOf(one) })));
    await emitNatively(broker, publications);
  } catch (error) {
    for (const { span } of publications) span?.setError(error as Error);
    throw error;
  } finally {
    for (const { span } of publications) span?.finish();
  }
  const events = publications.flatMap(({ event }) => event ?? []);
  for (const { eventType } of events) eventsPublished.inc({ event_type: eventType });
  return events;
}

/**
 * Hands events to the Moleculer services that listen. Each user's go one after the other, and a listener in this
 * process is waited for: an event is forgotten only after it was heard.
 */
async function emitNatively(broker: ServiceBroker, publications: Publication[]): Promise<void> {
  const inTurn = async (ofOneUser: Publication[]) => {
    for (const one of ofOneUser)
      if (one.event) {
        const { eventType, metadata } = one.event;
        const options = { requestID: metadata.correlationId, parentSpan: parentOf(one) };
        await within(LISTENER_LIMIT, broker.emit(eventType, one.event, options));
      }
  };
  await Promise.all([...Map.groupBy(publications, ({ event }) => event?.userId).values()].map(inTurn));
}

/** Waits for `work`, but no longer than `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** What a listener goes on from: the span of the publishing, or, where that is not recorded, what was enqueued. */
const parentOf = ({ span, record }: Publication): ParentSpan | undefined =>
  span ?? readTraceparent(record.traceparent);

function headersOf(one: Publication): Record<string, string> {
  const parent = parentOf(one);
  const traceparent = parent && toTraceparent(parent);
  return traceparent ? { traceparent } : {};
}
