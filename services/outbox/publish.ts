import { randomBytes } from "node:crypto";
import type { ServiceBroker } from "moleculer";
import type { Topics } from "../../mixins/kafka-topics.ts";
import type { Envelope } from "../shared/contracts.ts";
import { USER_EVENTS } from "../shared/events.ts";
import { eventsPublished } from "../shared/metrics.ts";
import type { Pending } from "./outbox.store.ts";

/** How long a listener in this process may take before its user's next event goes out all the same, in ms. */
const LISTENER_LIMIT = 5_000;

/**
 * Publishes records to Kafka, where there is one, and then our own events natively too. In this order: an outage of
 * Kafka repeats nothing to the listeners.
 */
export async function publish(
  broker: ServiceBroker,
  topics: Topics | undefined,
  records: Pending[],
): Promise<void> {
  const parsed = records.map((record) => ({ record, event: eventOf(record) }));
  await topics?.produce(parsed.map(({ record, event }) => ({ ...record, headers: headersOf(event) })));
  const events = parsed.flatMap(({ event }) => event ?? []);
  await emitNatively(broker, events);
  for (const { eventType } of events) eventsPublished.inc({ event_type: eventType });
}

/** An event of ours; undefined for a dead letter, which is of no interest to Moleculer services. */
const eventOf = ({ topic, value }: Pending): Envelope | undefined =>
  topic === USER_EVENTS ? JSON.parse(value) : undefined;

/**
 * Hands events to the Moleculer services that listen. Each user's go one after the other, and a listener in this
 * process is waited for: an event is forgotten only after it was heard.
 */
async function emitNatively(broker: ServiceBroker, events: Envelope[]): Promise<void> {
  const inTurn = async (ofOneUser: Envelope[]) => {
    for (const event of ofOneUser) {
      const { correlationId: requestID } = event.metadata;
      await within(LISTENER_LIMIT, broker.emit(event.eventType, event, { requestID } as object));
    }
  };
  await Promise.all([...Map.groupBy(events, ({ userId }) => userId).values()].map(inTurn));
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

const TRACE_ID = /^[0-9a-f]{32}$/;

/** The W3C trace that an event belongs to, where its correlation id is one. */
function headersOf(event: Envelope | undefined): Record<string, string> {
  const { correlationId = "" } = event?.metadata ?? {};
  return TRACE_ID.test(correlationId)
    ? { traceparent: `00-${correlationId}-${randomBytes(8).toString("hex")}-01` }
    : {};
}
