import { heard, silenceOf } from "../runtime/listening.ts";
import { within } from "../runtime/tasks.ts";

/**
 * In ms: the silence after which a consumer is replaced (a working one receives the node's own heartbeat every second),
 * how often this is checked, and how long a new one may take before another is tried.
 */
const REPLACE = { silence: 6_000, every: 500, patience: 10_000 };

type OnError = (error: unknown) => void;
type PacketStream = {
  on(event: "error", listener: OnError): unknown;
  on(event: "data", listener: (record: { topic: string; value: Buffer }) => void): unknown;
};

/** What is used of a consumer of @platformatic/kafka. */
export type PacketConsumer = {
  on(event: "error", listener: OnError): unknown;
  consume(
    options: { topics: string[]; autocommit: number; mode: "latest"; maxWaitTime: number },
    callback: (error: Error | null, stream?: PacketStream) => void,
  ): void;
  close(force: true): Promise<void>;
};

type Port = {
  /** Creates a consumer with a group of its own. */
  open(): PacketConsumer;
  onPacket(topic: string, packet: Buffer): void;
  /** Called when a consumer failed; it is replaced. */
  onFailure(error: unknown): void;
};

export type PacketReader = {
  /** Resolves when packets of these topics are read. From then on until close(), a consumer that fails is replaced. */
  start(topics: string[]): Promise<void>;
  close(): Promise<void>;
};

/** A consumer that is in use, or was. */
type Reading = { failed: boolean; end(): Promise<void> };

/**
 * Reads packets of the cluster. A consumer that failed or went silent is replaced: the client's own receives nothing
 * more after an outage. Whatever a replaced consumer still receives or reports is ignored.
 */
export function createPacketReader({ open, onPacket, onFailure }: Port): PacketReader {
  let topics: string[] = [];
  let current: Reading | undefined;
  let watchdog: NodeJS.Timeout | undefined;
  let replacing = false;

  /** Reads from the end of the topics, because packets from before are useless. Offsets are rarely committed. */
  async function read(): Promise<void> {
    void current?.end();
    const consumer = open();
    const consuming = Promise.withResolvers<void>();
    const reading: Reading = {
      failed: false,
      // not before: the client would create a stream that fails before anybody can listen, which ends the process
      end: () =>
        consuming.promise
          .catch(() => {})
          .then(() => consumer.close(true))
          .catch(() => {}),
    };
    current = reading;
    const failed = (error: unknown) => {
      if (current !== reading || reading.failed) return;
      reading.failed = true;
      onFailure(error);
    };
    consumer.on("error", failed);
    consumer.consume({ topics, autocommit: 5_000, mode: "latest", maxWaitTime: 500 }, (error, stream) => {
      if (!stream) return consuming.reject(error);
      stream.on("error", failed);
      stream.on("data", ({ topic, value }) => {
        if (current !== reading) return;
        heard("cluster");
        onPacket(topic, value);
      });
      consuming.resolve();
    });
    await consuming.promise;
    if (current === reading) heard("cluster");
  }

  async function replaceIfNeeded(): Promise<void> {
    const silent = silenceOf("cluster") > REPLACE.silence;
    if (replacing || !(current?.failed || silent)) return;
    replacing = true;
    await within(REPLACE.patience, read()).catch(() => {}); // Kafka is still unavailable: the next check retries
    replacing = false;
  }

  return {
    async start(names) {
      topics = names;
      await read();
      watchdog ??= setInterval(() => void replaceIfNeeded(), REPLACE.every).unref();
    },

    async close() {
      clearInterval(watchdog);
      const last = current;
      [watchdog, current] = [undefined, undefined];
      await last?.end();
    },
  };
}
