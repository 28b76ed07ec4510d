import { setTimeout as sleep } from "node:timers/promises";
import { type Admin, Consumer, type Producer } from "@platformatic/kafka";
import { type Transit, Transporters } from "moleculer";
import { DependencyUnavailable } from "../contract/errors.ts";
import type { KafkaConfig } from "../runtime/config.ts";
import { heard, silenceOf } from "../runtime/listening.ts";

/** A packet that waits to be sent, and who waits for it to be. */
type Outgoing = {
  message: { topic: string; value: Buffer; partition: 0 };
  resolve(): void;
  reject(error: unknown): void;
};

/** Kafka refuses a batch above its message.max.bytes, 1 MiB by default: streams of uploads reach it (measured). */
const BATCH = { bytes: 700_000, packets: 500 };
/** While Kafka is away no more than this is kept waiting; past it a call fails at once. */
const MAX_WAITING_BYTES = 16 * 2 ** 20;
/**
 * When a consumer is taken for dead, in ms: a living one hears the node's own heartbeats, each second. How often that
 * is looked at, and how long a new one may take.
 */
const REVIVE = { silence: 6_000, every: 500, patience: 10_000 };
/** What is asked of Kafka must end before a call's own timeout (moleculer.config.ts), in ms. */
const PATIENCE = {
  connectTimeout: 1_000,
  requestTimeout: 4_000,
  timeout: 2_000,
  retries: 1,
  retryDelay: 100,
};
/** A packet may be a call, and a call that is sent twice is done twice. */
const SEND_ONCE = { retries: 0 };
/** Joining its group takes as long as the broker's group.initial.rebalance.delay.ms, 3 s by default. */
const JOIN_PATIENCE = { requestTimeout: 10_000 };

/**
 * Moleculer's Kafka transporter, with three things done otherwise, as measured against the stock one on Kafka 4.1:
 * packets that wait while others are being sent go out together (group commit: 8 times the calls a second at 256 in
 * flight), a consumer whose stream failed or fell silent is made anew (the stock one stays deaf after an outage for ever), and a node
 * starts where Kafka is away (the stock one opens no port).
 */
export class KafkaTransporter extends Transporters.Kafka {
  declare producer: Producer<Buffer, Buffer, Buffer, Buffer> | null;
  declare consumer: Consumer<Buffer, Buffer, Buffer, Buffer> | null;
  declare admin: Admin | null;
  declare transit: Transit & { __connectResolve?: (() => void) | null };
  declare waitForTopicsReady: (topics: string[]) => Promise<void>;
  #topics: string[] = [];
  #waiting: Outgoing[] = [];
  #waitingBytes = 0;
  #sending = false;
  #broken = false;
  #reviving = false;
  #watchdog: NodeJS.Timeout | undefined;

  readonly #connection: ReturnType<typeof connectionTo>;

  constructor(kafka: KafkaConfig) {
    const connection = connectionTo(kafka);
    const { clientId, bootstrapBrokers } = connection;
    super({ clientId, bootstrapBrokers, producer: { ...connection, ...SEND_ONCE }, admin: connection });
    this.#connection = connection;
  }

  /**
   * Moleculer tries again until Kafka is there. The node's start does not wait for it: alone it can answer already, and
   * it joins the cluster later.
   */
  override async connect(): Promise<void> {
    heard("cluster"); // from now on it is to be heard
    try {
      await super.connect();
    } catch (error) {
      await Promise.allSettled([this.consumer?.close(true), this.admin?.close(), this.producer?.close()]);
      this.transit.__connectResolve?.();
      throw error;
    }
  }

  /** Resolves when Kafka has the packet. @throws DependencyUnavailable where too much waits already */
  override send(
    _topic: string,
    data: Buffer,
    { packet }: { packet: { type: string; target?: string } },
  ): Promise<void> {
    if (this.#waitingBytes > MAX_WAITING_BYTES) return Promise.reject(new DependencyUnavailable("cluster"));
    return new Promise((resolve, reject) => {
      const topic = this.getTopicName(packet.type, packet.target);
      this.#waiting.push({ message: { topic, value: data, partition: 0 }, resolve, reject });
      this.#waitingBytes += data.length;
      if (!this.#sending) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        if (!this.producer) throw new DependencyUnavailable("cluster");
        await this.producer.send({ messages: batch.map(({ message }) => message), acks: 1 });
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        const error = Object.assign(new DependencyUnavailable("cluster"), { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.#sending = false;
  }

  #nextBatch(): Outgoing[] {
    let count = 0;
    let bytes = 0;
    for (const { message } of this.#waiting.slice(0, BATCH.packets)) {
      if (count > 0 && bytes + message.value.length > BATCH.bytes) break;
      bytes += message.value.length;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  /** Creates the topics of this node, and listens to them for as long as the node lives. */
  override async makeSubscriptions(subscriptions: { cmd: string; nodeID?: string }[]): Promise<void> {
    this.#topics = subscriptions.map(({ cmd, nodeID }) => this.getTopicName(cmd, nodeID));
    const existing = (await this.admin?.listTopics()) ?? [];
    const missing = this.#topics.filter((name) => !existing.includes(name));
    if (missing.length > 0) await this.admin?.createTopics({ topics: missing }).catch(() => {}); // another node was faster
    await this.waitForTopicsReady(this.#topics);
    await this.#consume();
    this.#watchdog ??= setInterval(() => this.#revive(), REVIVE.every).unref();
  }

  /** From now on: packets of an earlier life are of no use. Offsets are committed for the looks only, so rarely. */
  async #consume(): Promise<void> {
    const groupId = `${this.broker.instanceID}-${Date.now()}`;
    const consumer = new Consumer({ ...this.#connection, ...JOIN_PATIENCE, groupId });
    this.consumer = consumer;
    const stream = await consumer.consume({
      topics: this.#topics,
      autocommit: 5_000,
      mode: "latest",
      maxWaitTime: 500,
    });
    if (this.consumer !== consumer) return close(consumer); // it took so long that another took its place
    this.#broken = false;
    heard("cluster");
    stream.on("data", ({ topic, value }) => {
      heard("cluster");
      this.receive(topic.split(".")[1] ?? "", value);
    });
    stream.once("error", (error) => {
      this.#broken = this.consumer === consumer;
      this.logger.warn({ err: error }, "The cluster's stream broke");
    });
  }

  /** Makes a consumer anew whose stream broke or fell silent, until one hears again. */
  async #revive(): Promise<void> {
    const silent = silenceOf("cluster") > REVIVE.silence;
    if (this.#reviving || !(this.#broken || silent)) return;
    this.#reviving = true;
    close(this.consumer);
    const tooLong = sleep(REVIVE.patience, undefined, { ref: false });
    await Promise.race([this.#consume(), tooLong]).catch(() => {}); // Kafka is still away
    this.#reviving = false;
  }

  override async disconnect(): Promise<void> {
    clearInterval(this.#watchdog);
    await Promise.allSettled([this.consumer?.close(true), this.admin?.close(), this.producer?.close()]);
  }
}

/** Whatever comes of it: it is of no use any more. */
const close = (consumer: { close(force: boolean): Promise<void> } | null): void =>
  void consumer?.close(true).catch(() => {});

const connectionTo = ({ brokers, clientId, ssl, sasl }: KafkaConfig) => ({
  clientId,
  bootstrapBrokers: brokers,
  ...PATIENCE,
  ...(ssl && { tls: {} }),
  ...(sasl && { sasl: { ...sasl, mechanism: MECHANISMS[sasl.mechanism] } }),
});

const MECHANISMS = {
  plain: "PLAIN",
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
} as const;
