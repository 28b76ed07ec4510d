import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { Counter } from "prom-client";
import { config } from "../../lib/config/config.ts";
import { USER_EVENTS } from "../../lib/contract/events.ts";
import { CREATE_TOPICS_EVERY, openAdmin, type TopicAdmin } from "../../lib/kafka/admin.ts";
import { openProducer, type TopicProducer } from "../../lib/kafka/producer.ts";
import type { Produced } from "../../lib/kafka/send-in-order.ts";
import { eventsPublished, registry, sharedGaugeOf } from "../../lib/runtime/metrics.ts";
import { repeat, until } from "../../lib/runtime/tasks.ts";
import type { Envelope } from "../contracts.ts";
import { countSetAside, outboxAge, outboxLength, type Pending } from "./outbox.store.ts";
import { publish } from "./publish.ts";
import { lanesOf } from "./relay.rules.ts";
import { runRelay } from "./relay.ts";

sharedGaugeOf(
  "user_service_outbox_lag_seconds",
  "Age of the oldest record to be published, without those set aside and those behind them; 0 if there is none",
  outboxAge,
);
sharedGaugeOf("user_service_outbox_lag_records", "Records in the queue, up to 100,000", outboxLength);
sharedGaugeOf(
  "user_service_outbox_set_aside_records",
  "Records that Kafka refused for good and that need a person, npm run outbox; up to 100,000",
  countSetAside,
);
const setAside = new Counter({
  name: "user_service_outbox_set_aside_total",
  help: "Records set aside because Kafka refused them for good, by topic and error",
  labelNames: ["topic", "fault"],
  registers: [registry],
});

const LANES = lanesOf(config.keycloakTopics);
const TOPICS = LANES.map(({ topic }) => topic);

/** In ms. How long a stop waits for Kafka. Records that are not published by then stay in the outbox. */
const STOP_WITHIN = 1_000;

const STOPPED: Produced<Pending> = { published: [], refused: [], failure: new Error("The node stops") };

type State = {
  producers: Map<string, TopicProducer>;
  admin?: TopicAdmin;
  stop: AbortController;
  giveUp: AbortController;
  relay: Promise<unknown>;
};
type Methods = { report(topic: string, outcome: Produced<Pending>): void };

/** Publishes what the other services committed (contract 7). It has no actions: its input is the outbox table. */
const OutboxService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "outbox",

  methods: {
    report(topic, { published, refused }) {
      for (const { value } of topic === USER_EVENTS ? published : []) {
        const { eventType, userId, metadata }: Envelope = JSON.parse(value);
        eventsPublished.inc({ event_type: eventType });
        const line = { action: "event_publish", userId, traceId: metadata.correlationId, eventType };
        this.logger.info(line, "Event published");
      }
      for (const { record, fault } of refused) {
        setAside.inc({ topic, fault });
        const line = { action: "event_set_aside", topic, outboxId: record.id, userId: record.key, fault };
        this.logger.error(line, "Kafka refuses a record for good: it is set aside, see npm run outbox");
      }
    },
  },

  created() {
    const { kafka } = config;
    this.stop = new AbortController();
    this.giveUp = new AbortController();
    const warn = (message: string) => this.logger.warn(message);
    this.admin = kafka && openAdmin(kafka, warn);
    this.producers = new Map(
      kafka && TOPICS.map((topic) => [topic, openProducer(kafka, topic, warn)] as const),
    );
  },

  started() {
    const port = {
      publish: async (topic: string, records: Pending[]) => {
        const published = publish(this.broker, this.producers.get(topic), topic, records);
        return (await until(this.giveUp.signal, published)) ?? STOPPED;
      },
      onCommitted: this.report,
      onDelay: (err: unknown, topic?: string) =>
        this.logger.warn({ action: "event_publish", topic, err }, "Records wait to be published"),
    };
    const { signal } = this.stop;
    this.relay = runRelay(LANES, port, signal);
    const createTopics = async () => this.admin?.create(TOPICS);
    const onError = (error: unknown) => this.logger.warn(error);
    void repeat(createTopics, { everyMs: CREATE_TOPICS_EVERY, signal, onError });
  },

  async stopped() {
    this.stop.abort();
    setTimeout(() => this.giveUp.abort(), STOP_WITHIN).unref();
    await this.relay;
    await Promise.all([this.admin, ...this.producers.values()].map((client) => client?.close()));
  },
};

export default OutboxService;
