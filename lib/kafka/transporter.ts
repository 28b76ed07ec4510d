import { Admin, type Producer } from "@platformatic/kafka";
import { type Transit, Transporters } from "moleculer";
import type { KafkaConfig } from "../config/config.ts";
import { heard, listenTo } from "../runtime/listening.ts";
import { repeat, within } from "../runtime/tasks.ts";
import { ensureTopics, removeTopics, shortenRetention, topicsByNode } from "./cluster-topics.ts";
import { type Connection, connectionTo } from "./connection.ts";
import { LOOK_EVERY, watchForGoneNodes } from "./gone-nodes.ts";
import { PacketReader } from "./packet-reader.ts";
import { noteRight, withRight } from "./rights.ts";
import { createPacketSender } from "./send-packets.ts";

/**
 * A packet may be a call, and a call that arrives twice is executed twice. An idempotent producer may send again what
 * may have arrived: Kafka drops what it has already. It does so for about 5 s, which is the time limit of a call
 * (moleculer.config.ts), because a topic whose leader has died takes nothing until Kafka has elected another. In ms.
 */
const SEND_ONCE = { idempotent: true, requestTimeout: 1_000, retries: 45, retryDelay: 100 };
/** How often unreadable packets are reported, in ms. */
const REPORT_EVERY = 60_000;
/** In ms. How long a stop waits for the removal of the node's topics, and for its clients: Kafka may not answer. */
const WITHIN = { remove: 1_000, close: 1_000 };

/**
 * Moleculer's Kafka transporter with these changes. Packets that wait while others are being sent go out together
 * (send-packets.ts). Topics are read without a consumer group, and read on after an outage (packet-reader.ts). A node
 * starts while Kafka is unavailable (the stock one opens no port). The topics keep packets for a minute, and those of a
 * node are removed when it stops, or by the others when it is gone. Packets with another serializer are reported with
 * their sender.
 */
export class KafkaTransporter extends Transporters.Kafka {
  declare producer: Producer<Buffer, Buffer, Buffer, Buffer> | null;
  declare admin: Admin | null;
  declare transit: Transit & { __connectResolve?: (() => void) | null };
  declare messageHandler: (cmd: string, packet: unknown) => Promise<unknown>;
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #gone = watchForGoneNodes();
  readonly #send = createPacketSender((topic, values) => this.#produce(topic, values));
  readonly #warn = (message: string) => this.logger.warn(message);
  #reader: PacketReader | undefined;
  #ownTopics: string[] = [];
  #quietUntil = 0;

  constructor(kafka: KafkaConfig) {
    const connection = connectionTo(kafka);
    const { clientId, bootstrapBrokers } = connection;
    const producer = { ...connection, ...SEND_ONCE, autocreateTopics: false };
    super({ clientId, bootstrapBrokers, producer, admin: connection });
    this.#connection = connection;
  }

  /**
   * Moleculer retries until Kafka is available. The start does not wait for that: the node can answer alone and joins
   * the cluster later.
   */
  override async connect(): Promise<void> {
    listenTo("cluster");
    try {
      await super.connect();
    } catch (error) {
      await this.#close();
      this.transit.__connectResolve?.();
      throw error;
    }
  }

  /**
   * Resolves when Kafka has the packet, or when it does not take an answer to a node that has stopped meanwhile.
   * @throws DependencyUnavailable if Kafka does not take any other packet
   */
  override async send(
    _topic: string,
    data: Buffer,
    { packet }: { packet: { type: string; target?: string } },
  ): Promise<void> {
    const { type, target } = packet;
    await this.#send(this.getTopicName(type, target), data).catch((error) => {
      if (type === "REQ" || !this.#hasStopped(target)) throw error;
    });
  }

  #hasStopped(nodeID: string | undefined): boolean {
    return this.broker.registry.nodes.toArray().some(({ id, available }) => id === nodeID && !available);
  }

  async #produce(topic: string, values: Buffer[]): Promise<void> {
    const messages = values.map((value) => ({ topic, value, partition: 0 }));
    const { producer } = this;
    if (!producer) throw new Error("The transporter is not connected");
    await withRight(`WRITE on topic ${topic}`, this.#warn, () => producer.send({ messages }));
  }

  /** Reads the topics of this node and of all nodes, until the node stops. */
  override async makeSubscriptions(subscriptions: { cmd: string; nodeID?: string }[]): Promise<void> {
    const topics = subscriptions.map(({ cmd, nodeID }) => this.getTopicName(cmd, nodeID));
    this.#ownTopics = topicsByNode(topics, this.prefix).get(this.nodeID) ?? [];
    this.#reader = new PacketReader(this.#connection, topics, {
      ensure: (some) => this.#ensure(some),
      packet: (topic, value) => this.#receive(topic, value),
      failed: (error, wasReading) => this.#reportFailure(error, wasReading),
    });
    await this.#reader.open();
    heard("cluster");
    if (this.admin) await shortenRetention(this.admin, topics);
    void repeat(() => this.#removeGoneNodes(), {
      everyMs: LOOK_EVERY,
      signal: this.#stop.signal,
      onError: (err) => this.logger.debug({ err }, "The topics of nodes that are gone were not removed"),
    });
  }

  async #ensure(topics: string[]): Promise<void> {
    if (this.admin) await ensureTopics(this.admin, topics, this.#warn);
  }

  #receive(topic: string, value: Buffer): void {
    const [, command = ""] = topic.split(".");
    if (command === "HEARTBEAT") this.#hearHeartbeat(); // this node's own at least
    this.receive(command, value);
  }

  #hearHeartbeat(): void {
    heard("cluster");
    noteRight(this.#read, undefined, this.#warn);
  }

  #reportFailure(error: unknown, wasReading: boolean): void {
    noteRight(this.#read, error, this.#warn);
    if (wasReading) this.#warn(`Reading the cluster's topics was interrupted: ${error}`);
  }

  get #read(): string {
    return `READ on topics ${this.prefix}.*`;
  }

  /** Removes the topics of nodes that ended without a stop, such as those with a random name. */
  async #removeGoneNodes(): Promise<void> {
    const wasUnreadable = performance.now() < this.#quietUntil + LOOK_EVERY; // it is unknown who lives
    if (!this.admin || wasUnreadable) return;
    const nodes = topicsByNode(await this.admin.listTopics(), this.prefix);
    const alive = this.broker.registry.nodes.toArray().filter(({ available }) => available);
    for (const node of this.#gone(nodes.keys(), (name) => alive.some(({ id }) => id === name))) {
      await removeTopics(this.admin, nodes.get(node) ?? []);
      this.logger.info(`Removed the topics of node ${node}, which was not heard for a day`);
    }
  }

  /** Handles a packet, or reports that it cannot be read because its sender uses another serializer. */
  override async incomingMessage(cmd: string, data?: Buffer): Promise<void> {
    const packet = data && this.#parse(cmd, data);
    if (packet) await this.messageHandler(cmd, packet);
    else if (data) this.#reportUnreadable(cmd, data);
  }

  #parse(cmd: string, data: Buffer) {
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

  /** The others know by now that this node stops, so nobody writes to its topics any more. */
  override async disconnect(): Promise<void> {
    this.#stop.abort();
    this.#reader?.close().catch(() => {}); // or it would create the topics again
    await within(WITHIN.remove, this.#removeOwnTopics()).catch(() => {});
    await this.#close();
  }

  /** With a client of its own, because the other one is closed if the node has created its topics and not joined. */
  async #removeOwnTopics(): Promise<void> {
    const admin = new Admin(this.#connection);
    await removeTopics(admin, this.#ownTopics).finally(() => admin.close());
  }

  async #close(): Promise<void> {
    const clients = [this.#reader, this.admin, this.producer];
    await within(WITHIN.close, Promise.allSettled(clients.map((client) => client?.close())));
  }
}
