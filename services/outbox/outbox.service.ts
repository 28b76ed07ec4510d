import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBroker, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { Gauge } from "prom-client";
import { eventsPublished, registry } from "../shared/metrics.ts";
import { outboxAge, type Pending } from "./outbox.store.ts";
import { runRelay } from "./relay.ts";

/** How long a listener in this process may take before its user's next event goes out all the same, in ms. */
const LISTENER_LIMIT = 5_000;

new Gauge({
  name: "user_service_outbox_lag_seconds",
  help: "Age of the oldest event that waits to be published, 0 where none does",
  registers: [registry],
  async collect() {
    this.set(await outboxAge().catch(() => Number.NaN));
  },
});

/**
 * Hands events to the Moleculer services that listen. Each user's go one after the other, and a listener in this
 * process is waited for: an event is forgotten only after it was heard.
 */
async function emitNatively(broker: ServiceBroker, events: Pending[]): Promise<void> {
  const byUser = Map.groupBy(events, ({ userId }) => userId);
  const inTurn = async (ofOneUser: Pending[]) => {
    for (const { envelope } of ofOneUser) {
      const { correlationId: requestID } = envelope.metadata;
      await within(LISTENER_LIMIT, broker.emit(envelope.eventType, envelope, { requestID } as object));
      eventsPublished.inc({ event_type: envelope.eventType });
    }
  };
  await Promise.all([...byUser.values()].map(inTurn));
}

/** Waits for `work`, but no longer than `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const limit = new AbortController();
  const late = sleep(ms, undefined, { signal: limit.signal }).catch(() => {});
  await Promise.race([work, late]);
  limit.abort();
}

type Relay = { stop: AbortController; relay: Promise<void> };

/** Publishes what the other services committed (SPEC 7). It has no actions: the outbox table is its mailbox. */
const OutboxService: ServiceSchema<ServiceSettingSchema, object, Relay> = {
  name: "outbox",

  started() {
    this.stop = new AbortController();
    const publish = async (events: Pending[]) => {
      await emitNatively(this.broker, events);
      for (const { userId, envelope } of events)
        this.logger.debug(
          { action: "event_publish", userId, traceId: envelope.metadata.correlationId },
          envelope.eventType,
        );
    };
    this.relay = runRelay(publish, this.stop.signal, (error) => this.logger.warn(error));
  },

  async stopped() {
    this.stop.abort();
    await this.relay;
  },
};

export default OutboxService;
