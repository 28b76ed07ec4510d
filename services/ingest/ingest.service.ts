import { setTimeout as sleep } from "node:timers/promises";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { openTopics, type Topics } from "../../mixins/kafka-topics.ts";
import { config } from "../shared/config.ts";
import { CONSUMED, CONSUMED_TOPICS, TOPICS } from "../shared/events.ts";
import { ingest, type Message, retryWaiting } from "./ingest.ts";

/** In ms. */
const EVERY = { retry: 500, connect: 1_000 };

type State = { topics?: Topics; stopping: boolean; retrying?: NodeJS.Timeout };
type Methods = { take(messages: Message[]): Promise<void>; connect(topics: Topics): Promise<void> };

/** The consumed events, emitted natively by other Moleculer services; the whole envelope is `ctx.params` (SPEC 7). */
const listeners = Object.fromEntries(
  Object.entries(CONSUMED).map(([eventType, { topic }]) => [
    eventType,
    function (this: Methods, ctx: Context) {
      const value = Buffer.from(JSON.stringify(ctx.params ?? null));
      return this.take([{ topic, partition: null, offset: null, value }]);
    },
  ]),
);

/** Reads what the neighbours tell, natively and on Kafka, and has `stats` count it. */
const IngestService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "ingest",
  dependencies: ["stats"],

  methods: {
    async take(messages) {
      await ingest(this.broker, messages);
      const topic = messages[0]?.topic;
      this.logger.debug({ action: "event_consume", topic, count: messages.length }, "Events consumed");
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
  },

  events: listeners,

  created() {
    this.stopping = false;
    if (config.kafka) this.topics = openTopics(config.kafka, (message) => this.logger.warn(message));
  },

  started() {
    const retry = () => retryWaiting(this.broker).catch((error) => this.logger.warn(error));
    this.retrying = setInterval(retry, EVERY.retry).unref();
    if (this.topics) void this.connect(this.topics);
  },

  async stopped() {
    this.stopping = true;
    clearInterval(this.retrying);
    await this.topics?.close();
  },
};

export default IngestService;
