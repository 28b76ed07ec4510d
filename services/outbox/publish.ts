import type { ServiceBroker, Span } from "moleculer";
import { USER_EVENTS } from "../../lib/contract/events.ts";
import type { TopicProducer } from "../../lib/kafka/producer.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { startSpanBelow } from "../../lib/tracing/spans.ts";
import { type ParentSpan, readTraceparent, toTraceparent } from "../../lib/tracing/trace-context.ts";
import type { Envelope } from "../contracts.ts";
import type { Pending } from "./outbox.store.ts";

/** The time limit for the listeners in this process, for all events of a batch together, in ms. */
const LISTENER_LIMIT = 2_000;

/** A record that is being published. */
type Publication = Pending & { record: Pending; span?: Span; headers: Record<string, string> };

/**
 * Publishes records of one topic to Kafka, if it is used, and then emits the events among them to Moleculer listeners.
 * In this order, an outage of Kafka does not repeat events to listeners. Never rejects.
 */
export async function publish(
  broker: ServiceBroker,
  producer: TopicProducer | undefined,
  topic: string,
  records: Pending[],
): Promise<Produced<Pending>> {
  const publications = records.map((record): Publication => {
    const span = startSpanBelow(broker, record.traceparent, `publish ${topic}`, "producer");
    return { ...record, record, span, headers: headersOf(span ?? readTraceparent(record.traceparent)) };
  });
  const { published, refused, failure } = producer
    ? await producer.produce(publications)
    : { published: publications, refused: [] };
  if (topic === USER_EVENTS) await emitNatively(broker, published);
  const arrived = new Set(published);
  for (const publication of publications) {
    if (!arrived.has(publication)) publication.span?.setError(new Error("Not published"));
    publication.span?.finish();
  }
  return {
    published: published.map(({ record }) => record),
    refused: refused.map(({ record: { record }, fault }) => ({ record, fault })),
    failure,
  };
}

/**
 * Emits events to the Moleculer services that listen, in order per user. Waits for the listeners in this process, so
 * that an event is deleted only after it was handled, but for a limited time per batch: after that, the rest is emitted
 * without waiting. The failure of a listener has no effect: the event is in Kafka and is not published again.
 */
async function emitNatively(broker: ServiceBroker, publications: Publication[]): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, LISTENER_LIMIT);
  const emitInOrder = async (ofOneUser: Publication[]) => {
    for (const { value, traceparent, span } of ofOneUser) {
      const event: Envelope = JSON.parse(value);
      const parentSpan = span ?? readTraceparent(traceparent);
      const options = { requestID: event.metadata.correlationId, parentSpan };
      const heard = broker.emit(event.eventType, event, options).catch(() => {});
      await Promise.race([heard, limit.promise]);
    }
  };
  const byUser = Map.groupBy(publications, ({ key }) => key);
  await Promise.all([...byUser.values()].map(emitInOrder));
  clearTimeout(timer);
}

function headersOf(parent: ParentSpan | undefined): Record<string, string> {
  const traceparent = parent && toTraceparent(parent);
  return traceparent ? { traceparent } : {};
}
