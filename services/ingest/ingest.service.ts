import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { Gauge } from "prom-client";
import { config } from "../../lib/config/config.ts";
import { CREATE_TOPICS_EVERY, openAdmin, type TopicAdmin } from "../../lib/kafka/admin.ts";
import { openConsumer, type TopicConsumer } from "../../lib/kafka/consumer.ts";
import { registry, sharedGaugeOf } from "../../lib/runtime/metrics.ts";
import { repeat, retryUntilDone } from "../../lib/runtime/tasks.ts";
import { traceparentOf } from "../../lib/tracing/trace-context.ts";
import { fillUuids } from "./dead-letter.fill.ts";
import { countDeadLetters } from "./dead-letter.store.ts";
import type { Message } from "./dead-letter.ts";
import { CONSUMED_BY_TYPE, consumedTopics, RECEIPT } from "./ingest.contract.ts";
import { nativeMessage } from "./ingest.rules.ts";
import { ingest } from "./ingest.ts";
import { retryWaiting } from "./retry.ts";

sharedGaugeOf(
  "user_service_dead_letters_waiting",
  "Dead letters that are retried, as their user may be about to sign up; up to 100,000",
  () => countDeadLetters("waiting"),
);
sharedGaugeOf(
  "user_service_dead_letters_given_up",
  "Dead letters that were given up and that need a person, npm run dlq; up to 100,000",
  () => countDeadLetters("given up"),
);
const consumerLag = new Gauge({
  name: "user_service_consumer_lag_records",
  help: "Records of the consumed topics that are not processed yet",
  labelNames: ["topic", "partition"],
  registers: [registry],
});

const TOPICS = consumedTopics(config.keycloakTopics);

/** In ms. */
const EVERY = { retry: 500, lag: 5_000, fill: 3_600_000 };
const CONNECT_BACKOFF = { first: 500, last: 5_000 };

/** The Kafka clients of this node: one that consumes, one that creates topics and reads the lag. */
type Kafka = { consumer: TopicConsumer; admin: TopicAdmin };
type State = { kafka?: Kafka; stop: AbortController };
type Methods = {
  take(messages: Message[]): Promise<void>;
  consume(kafka: Kafka): Promise<void>;
  observeLag(admin: TopicAdmin): Promise<void>;
};

/** Listens for an event that other Moleculer services emit: the envelope, or only the data (contract 7). */
const listenerOf = (eventType: string, topic: string) => [
  eventType,
  function (this: Methods, ctx: Context) {
    const value = nativeMessage(eventType, ctx.params);
    return this.take([{ topic, partition: null, offset: null, value, traceparent: traceparentOf(ctx) }]);
  },
];
const listeners = Object.fromEntries([
  ...Object.entries(CONSUMED_BY_TYPE).map(([eventType, { topic }]) => listenerOf(eventType, topic)),
  listenerOf(RECEIPT.type, "interview-events"), // any of its topics
]);

/** Consumes the events of other services, from Kafka and natively, and passes them to `stats` to be counted. */
const IngestService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "ingest",
  dependencies: ["stats"],

  methods: {
    take(messages) {
      return ingest(this, messages);
    },

    async consume({ admin, consumer }) {
      await admin.create(TOPICS);
      await consumer.consume(TOPICS, (messages: Message[]) => this.take(messages));
    },

    async observeLag(admin) {
      // no figure is better than an outdated one
      const lag = await admin.lag(TOPICS).finally(() => consumerLag.reset());
      for (const { topic, partition, records } of lag) consumerLag.set({ topic, partition }, records);
    },
  },

  events: listeners,

  created() {
    this.stop = new AbortController();
    const warn = (message: string) => this.logger.warn(message);
    if (config.kafka)
      this.kafka = { consumer: openConsumer(config.kafka, warn), admin: openAdmin(config.kafka, warn) };
  },

  started() {
    const { signal } = this.stop;
    const onError = (error: unknown) => this.logger.warn(error);
    void repeat(() => retryWaiting(this, signal), { everyMs: EVERY.retry, signal, onError });
    void repeat(() => fillUuids(signal), { everyMs: EVERY.fill, signal, onError });
    if (!this.kafka) return;
    const { kafka } = this;
    void retryUntilDone(() => this.consume(kafka), { backoff: CONNECT_BACKOFF, signal, onError });
    const createTopics = () => kafka.admin.create(TOPICS);
    void repeat(createTopics, { everyMs: CREATE_TOPICS_EVERY, signal, onError });
    void repeat(() => this.observeLag(kafka.admin), { everyMs: EVERY.lag, signal, onError: () => {} });
  },

  async stopped() {
    this.stop.abort();
    await Promise.all([this.kafka?.consumer.close(), this.kafka?.admin.close()]);
  },
};

export default IngestService;
