import { setTimeout as sleep } from "node:timers/promises";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { Gauge } from "prom-client";
import { openTopics, type Topics } from "../../mixins/kafka-topics.ts";
import { config } from "../shared/config.ts";
import { CONSUMED, CONSUMED_TOPICS, TOPICS } from "../shared/events.ts";
import { gaugeOf, registry } from "../shared/metrics.ts";
import { traceparentOf } from "../shared/trace-context.ts";
import { countDeadLetters } from "./dead-letter.store.ts";
import { ingest, type Message, retryWaiting } from "./ingest.ts";

gaugeOf(
  "user_service_dead_letters_waiting",
  "Dead letters that are tried again: their user may be about to sign up",
  () => countDeadLetters("waiting"),
);
gaugeOf(
  "user_service_dead_letters_given_up",
  "Dead letters that were given up: they want a person, npm run dlq",
  () => countDeadLetters("given up"),
);
const consumerLag = new Gauge({
  name: "user_service_consumer_lag_records",
  help: "Records on the consumed topics that are yet to be dealt with",
  labelNames: ["topic", "partition"],
  registers: [registry],
});

/** In ms. */
const EVERY = { retry: 500, connect: 1_000, lag: 5_000 };

type State = { topics?: Topics; stopping: boolean; timers: NodeJS.Timeout[] };
type Methods = {
  take(messages: Message[]): Promise<void>;
  connect(topics: Topics): Promise<void>;
  observeLag(topics: Topics): Promise<void>;
};

/** The consumed events, emitted natively by other Moleculer services; the whole envelope is `ctx.params` (SPEC 7). */
const listeners = Object.fromEntries(
  Object.entries(CONSUMED).map(([eventType, { topic }]) => [
    eventType,
    function (this: Methods, ctx: Context) {
      const value = Buffer.from(JSON.stringify(ctx.params ?? null));
      return this.take([{ topic, partition: null, offset: null, value, traceparent: traceparentOf(ctx) }]);
    },
  ]),
);

/** Reads what the neighbours tell, natively and on Kafka, and has `stats` count it. */
const IngestService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "ingest",
  dependencies: ["stats"],

  methods: {
    take(messages) {
      return ingest(this, messages);
    },

    /** Kafka may be away at start: it is tried until it is there. Later outages the client survives by itself. */
    async connect(topics) {
      while (!this.stopping)
        try {
          await topics.create(TOPICS);
          return await topics.consume(CONSUMED_TOPICS, (messages: Message[]) => this.take(messages));
        } catch (error) {
          this.logger.warn(error);
          await sleep(EVERY.connect, undefined, { ref: false });
        }
    },

    async observeLag(topics) {
      for (const { topic, partition, records } of await topics.lag(CONSUMED_TOPICS))
        consumerLag.set({ topic, partition }, records);
    },
  },

  events: listeners,

  created() {
    this.stopping = false;
    if (config.kafka) this.topics = openTopics(config.kafka, (message) => this.logger.warn(message));
  },

  started() {
    const retry = () => retryWaiting(this.broker).catch((error) => this.logger.warn(error));
    this.timers = [setInterval(retry, EVERY.retry).unref()];
    if (!this.topics) return;
    const { topics } = this;
    void this.connect(topics);
    this.timers.push(setInterval(() => this.observeLag(topics).catch(() => {}), EVERY.lag).unref());
  },

  async stopped() {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    await this.topics?.close();
  },
};

export default IngestService;
