import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { openProducer, type TopicProducer } from "../../lib/kafka/producer.ts";
import { config } from "../../lib/runtime/config.ts";
import { gaugeOf } from "../../lib/runtime/metrics.ts";
import { outboxAge, outboxLength, type Pending } from "./outbox.store.ts";
import { publish } from "./publish.ts";
import { runRelay } from "./relay.ts";

gaugeOf(
  "user_service_outbox_lag_seconds",
  "Age of the oldest record that waits to be published, 0 where none does",
  outboxAge,
);
gaugeOf("user_service_outbox_lag_records", "Records that wait to be published", outboxLength);

type State = { producer?: TopicProducer; stop: AbortController; relay: Promise<void> };

/** Publishes what the other services committed (SPEC 7). It has no actions: the outbox table is its mailbox. */
const OutboxService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "outbox",

  created() {
    this.stop = new AbortController();
    if (config.kafka) this.producer = openProducer(config.kafka, (message) => this.logger.warn(message));
  },

  started() {
    const publishBatch = async (records: Pending[]) => {
      for (const { eventType, userId, metadata } of await publish(this.broker, this.producer, records)) {
        const line = { action: "event_publish", userId, traceId: metadata.correlationId, eventType };
        this.logger.info(line, "Event published");
      }
    };
    const onError = (err: unknown) =>
      this.logger.warn({ action: "event_publish", err }, "Events wait to be published");
    this.relay = runRelay(publishBatch, this.stop.signal, onError);
  },

  async stopped() {
    this.stop.abort();
    await this.relay;
    await this.producer?.close();
  },
};

export default OutboxService;
