import { Consumer, findErrorBy } from "@platformatic/kafka";
import { pause, retryUntilDone } from "../runtime/tasks.ts";
import type { Connection } from "./connection.ts";

/** In ms: how long Kafka may wait for a packet before it answers; also the longest delay of a stop. */
const MAX_WAIT = 500;
/** In ms: a broker that stops may not answer for seconds, while another one leads its topics already. */
const ANSWER_WITHIN = 2_000;
/** In bytes: how much is read from a broker and from a topic at once. A single packet may be larger. */
const PORTION = { broker: 10 * 2 ** 20, topic: 2 ** 20 };
/** In ms: the delay before topics are looked for again whose leader has changed or is unavailable. */
const RETRY = { first: 100, last: 1_000 };

/** In ms: how long a broker may not know of topics that another one has just created. */
const NEW_TOPICS = 1_000;

type Handlers = {
  /** Creates the missing ones of these topics. */
  ensure(topics: string[]): Promise<void>;
  /** Gets each packet once, in order per topic. */
  packet(topic: string, value: Buffer): void;
  /** Gets the error that ended an attempt to read from a broker, and whether it had read before. */
  failed(error: unknown, wasReading: boolean): void;
};

/** The next packet of a topic. */
type Place = { topic: string; id: string; next: bigint };
type Fetched = Awaited<ReturnType<Consumer["fetch"]>>;

/**
 * Reads the first partition of topics, from their end until close(). It is no member of a consumer group, because a
 * node reads its topics alone: nothing is left behind in Kafka, a start waits for no other member, and no right for
 * groups is needed. Topics are read from their leader, and read on where they were left when that fails or changes.
 */
export class PacketReader {
  readonly #connection: Connection;
  readonly #topics: string[];
  readonly #on: Handlers;
  readonly #stop = new AbortController();
  readonly #places = new Map<string, Place>();
  /** The client that reads from a leader; it knows the topics. */
  readonly #readings = new Map<number, Consumer>();

  constructor(connection: Connection, topics: string[], on: Handlers) {
    this.#connection = connection;
    this.#topics = topics;
    this.#on = on;
  }

  /**
   * Resolves when packets that are sent from now on will be read.
   * @throws the client's error if a topic cannot be found or created
   */
  async open(): Promise<void> {
    await this.#on.ensure(this.#topics);
    const locate = () => this.#locate(this.#topics);
    const again = () => pause(NEW_TOPICS, this.#stop.signal).then(locate);
    this.#read(await locate().catch(again));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#readings.values()].map((client) => client.close(true)));
  }

  /** A client that leaves it to this class to look for leaders again. It demands the name of a group. */
  #createClient(topics: string[]): Consumer {
    const options = { groupId: "none", retries: 0, metadataMaxAge: Number.MAX_SAFE_INTEGER };
    const client = new Consumer({ ...this.#connection, ...options, requestTimeout: ANSWER_WITHIN });
    client.topics.trackAll(...topics);
    return client;
  }

  /** Finds out where topics are read on. Returns them by leader. */
  async #locate(topics: string[]): Promise<Map<number, string[]>> {
    const client = this.#createClient(topics); // a new one, as an old connection may be dead without an error
    try {
      const { topics: found } = await client.metadata({ topics, retries: 10 });
      const idOf = (topic: string) => found.get(topic)?.id ?? "";
      const created = topics.filter((topic) => this.#places.get(topic)?.id !== idOf(topic));
      const ends = await endsOf(client, created);
      for (const topic of created)
        this.#places.set(topic, { topic, id: idOf(topic), next: ends.get(topic) ?? 0n });
      return Map.groupBy(topics, (topic) => found.get(topic)?.partitions[0]?.leader ?? -1);
    } finally {
      client.close(true).catch(() => {});
    }
  }

  #read(groups: Iterable<[leader: number, topics: string[]]>): void {
    for (const [leader, topics] of groups) {
      const reading = this.#readings.get(leader);
      if (reading) reading.topics.trackAll(...topics);
      else void this.#readFrom(leader, topics);
    }
  }

  /** Reads from one leader until it refuses or fails; then its topics are looked for again. */
  async #readFrom(leader: number, topics: string[]): Promise<void> {
    const { signal } = this.#stop;
    const client = this.#createClient(topics);
    this.#readings.set(leader, client);
    let wasReading = false;
    try {
      for (; !signal.aborted; wasReading = true) this.#deliver(await this.#fetch(leader, client));
    } catch (error) {
      // Kafka has deleted what was next: read on at the end
      if (findErrorBy(error as Error, "apiId", "OFFSET_OUT_OF_RANGE"))
        for (const topic of client.topics.current) this.#places.delete(topic);
      if (!signal.aborted) this.#on.failed(error, wasReading);
    }
    this.#readings.delete(leader);
    const left = [...client.topics.current];
    client.close(true).catch(() => {});
    await pause(RETRY.first, signal);
    const find = () => this.#locate(left).catch(() => this.#ensureAndLocate(left));
    this.#read((await retryUntilDone(find, { backoff: RETRY, signal, onError: () => {} })) ?? []);
  }

  /** A topic may have been deleted. */
  async #ensureAndLocate(topics: string[]): Promise<Map<number, string[]>> {
    await this.#on.ensure(topics);
    return this.#locate(topics);
  }

  #fetch(node: number, client: Consumer): Promise<Fetched> {
    const anyEpoch = { currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
    const topics = client.topics.current.map((topic) => {
      const { id: topicId = "", next: fetchOffset = 0n } = this.#places.get(topic) ?? {};
      const first = { partition: 0, fetchOffset, partitionMaxBytes: PORTION.topic, ...anyEpoch };
      return { topicId, partitions: [first] };
    });
    return client.fetch({ node, topics, maxWaitTime: MAX_WAIT, maxBytes: PORTION.broker });
  }

  #deliver({ responses }: Fetched): void {
    for (const { topicId, partitions } of responses) {
      const place = [...this.#places.values()].find(({ id }) => id === topicId);
      const batches = partitions.flatMap(({ records }) => records ?? []);
      for (const { firstOffset, records } of place ? batches : [])
        for (const { offsetDelta, value } of records)
          this.#deliverOnce(place, firstOffset + BigInt(offsetDelta), value);
    }
  }

  /** Kafka sends whole batches, so the first packets may have been read before. */
  #deliverOnce(place: Place | undefined, offset: bigint, value: Buffer | null): void {
    if (!place || offset < place.next) return;
    place.next = offset + 1n;
    if (value) this.#on.packet(place.topic, value);
  }
}

/** The offset of the next packet that will be sent to each topic. */
async function endsOf(client: Consumer, topics: string[]): Promise<Map<string, bigint>> {
  if (topics.length === 0) return new Map();
  const partitions = Object.fromEntries(topics.map((topic) => [topic, [0]]));
  const offsets = await client.listOffsets({ topics, partitions });
  return new Map([...offsets].map(([topic, [first = 0n]]) => [topic, first]));
}
