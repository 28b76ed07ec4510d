import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { openTopics, type Topics } from "../../mixins/kafka-topics.ts";
import { config } from "../shared/config.ts";
import { gaugeOf } from "../shared/metrics.ts";
import { outboxAge, outboxLength, type Pending } from "./outbox.store.ts";
import { publish } from "./publish.ts";
import { runRelay } from "./relay.ts";

gaugeOf(
  "user_service_outbox_lag_seconds",
  "Age of the oldest record that waits to be published, 0 where none does",
  outboxAge,
);
gaugeOf("user_service_outbox_lag_records", "Records that wait to be published", outboxLength);

type State = { topics?: Topics; stop: AbortController; relay: Promise<void> };

/** Publishes what the other services committed (SPEC 7). It has no actions: the outbox table is its mailbox. */
const OutboxService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "outbox",

  created() {
    this.stop = new AbortController();
    if (config.kafka) this.topics = openTopics(config.kafka, (message) => this.logger.warn(message));
  },

  started() {
    const publishBatch = async (records: Pending[]) => {
      await publish(this.broker, this.topics, records);
      this.logger.debug({ action: "event_publish", count: records.length }, "Events published");
    };
    this.relay = runRelay(publishBatch, this.stop.signal, (error) => this.logger.warn(error));
  },

  async stopped() {
    this.stop.abort();
    await this.relay;
    await this.topics?.close();
  },
};

export default OutboxService;
