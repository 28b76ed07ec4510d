import { type Admin, Consumer, type Producer } from "@platformatic/kafka";
import { type Transit, Transporters } from "moleculer";
import { DependencyUnavailable } from "../contract/errors.ts";
import type { KafkaConfig } from "../runtime/config.ts";
import { heard } from "../runtime/listening.ts";
import { within } from "../runtime/tasks.ts";
import { createPacketReader, type PacketReader } from "./packet-reader.ts";

/** A packet that waits to be sent, and the promise of its sender. */
type QueuedPacket = {
  message: { topic: string; value: Buffer; partition: 0 };
  resolve(): void;
  reject(error: unknown): void;
};

/** Kafka refuses a batch above its message.max.bytes, 1 MiB by default. Streams of uploads reach it (measured). */
const BATCH = { bytes: 700_000, packets: 500 };
/** The maximum that waits while Kafka is unavailable. Above it, calls fail at once. */
const MAX_WAITING_BYTES = 16 * 2 ** 20;
/** In ms. A request to Kafka must end before the timeout of a call (moleculer.config.ts). */
const PATIENCE = {
  connectTimeout: 1_000,
  requestTimeout: 4_000,
  timeout: 2_000,
  retries: 1,
  retryDelay: 100,
};
/** In ms. A client cannot leave while Kafka does not answer. */
const CLOSE_WITHIN = 1_000;
/** A packet may be a call, and a call that is sent twice is executed twice. */
const SEND_ONCE = { retries: 0 };
/** How often unreadable packets are reported, in ms. */
const REPORT_EVERY = 60_000;
/** Joining the group takes as long as the broker's group.initial.rebalance.delay.ms, 3 s by default. */
const JOIN_PATIENCE = { requestTimeout: 10_000 };

/**
 * Moleculer's Kafka transporter with four changes. Packets that wait while others are being sent go out together (group
 * commit: 8 times the calls per second at 256 in flight, measured on Kafka 4.1). A consumer whose stream failed or went
 * silent is recreated (the stock one receives nothing more after an outage). A node starts while Kafka is unavailable
 * (the stock one opens no port). Packets with another serializer are reported with their sender.
 */
export class KafkaTransporter extends Transporters.Kafka {
  declare producer: Producer<Buffer, Buffer, Buffer, Buffer> | null;
  declare admin: Admin | null;
  declare transit: Transit & { __connectResolve?: (() => void) | null };
  declare messageHandler: (cmd: string, packet: unknown) => Promise<unknown>;
  declare waitForTopicsReady: (topics: string[]) => Promise<void>;
  #waiting: QueuedPacket[] = [];
  #waitingBytes = 0;
  #sending = false;
  #quietUntil = 0;
  readonly #reader: PacketReader;

  constructor(kafka: KafkaConfig) {
    const connection = connectionTo(kafka);
    const { clientId, bootstrapBrokers } = connection;
    super({ clientId, bootstrapBrokers, producer: { ...connection, ...SEND_ONCE }, admin: connection });
    this.#reader = createPacketReader({
      open: () =>
        new Consumer({ ...connection, ...JOIN_PATIENCE, groupId: `${this.broker.instanceID}-${Date.now()}` }),
      onPacket: (topic, packet) => void this.receive(topic.split(".")[1] ?? "", packet),
      onFailure: (err) =>
        this.logger.warn({ err }, "The consumer of the cluster's topics failed and is replaced"),
    });
  }

  /**
   * Moleculer retries until Kafka is available. The start does not wait for that: the node can answer alone and joins
   * the cluster later.
   */
  override async connect(): Promise<void> {
    heard("cluster"); // silence is measured from now on
    try {
      await super.connect();
    } catch (error) {
      await this.disconnect();
      this.transit.__connectResolve?.();
      throw error;
    }
  }

  /** Resolves when Kafka has the packet. @throws DependencyUnavailable if too much is waiting */
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

  #nextBatch(): QueuedPacket[] {
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

  /** Creates the topics of this node, and reads them until it stops. */
  override async makeSubscriptions(subscriptions: { cmd: string; nodeID?: string }[]): Promise<void> {
    const topics = subscriptions.map(({ cmd, nodeID }) => this.getTopicName(cmd, nodeID));
    const existing = (await this.admin?.listTopics()) ?? [];
    const missing = topics.filter((name) => !existing.includes(name));
    if (missing.length > 0) await this.admin?.createTopics({ topics: missing }).catch(() => {}); // another node created them first
    await this.waitForTopicsReady(topics);
    await this.#reader.start(topics);
  }

  /** Handles a packet, or reports that it cannot be read because its sender uses another serializer. */
  override async incomingMessage(cmd: string, data?: Buffer): Promise<void> {
    const packet = data && this.#read(cmd, data);
    if (packet) await this.messageHandler(cmd, packet);
    else if (data) this.#reportUnreadable(cmd, data);
  }

  #read(cmd: string, data: Buffer) {
    try {
      const packet = this.deserialize(cmd, data);
      return typeof packet.payload?.sender === "string" ? packet : undefined;
    } catch {
      return undefined;
    }
  }

  /** Nodes send packets each second, so this is logged at most once a minute. */
  #reportUnreadable(cmd: string, data: Buffer): void {
    if (performance.now() < this.#quietUntil) return;
    this.#quietUntil = performance.now() + REPORT_EVERY;
    const [, sender] = /"sender":"([^"]{1,200})"/.exec(data.toString("latin1", 0, 10_000)) ?? [];
    const who = sender ? `Node ${sender} sends JSON` : "A node sends packets that are not CBOR";
    const advice = 'set serializer: "CBOR" in its broker options, until then it is ignored';
    this.logger.error(`${who} (packet ${cmd}, namespace "${this.broker.namespace}"): ${advice}`);
  }

  override async disconnect(): Promise<void> {
    const closed = Promise.allSettled([this.#reader.close(), this.admin?.close(), this.producer?.close()]);
    await within(CLOSE_WITHIN, closed);
  }
}

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
