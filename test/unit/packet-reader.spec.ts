import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { createPacketReader, type PacketConsumer, type PacketReader } from "../../lib/kafka/packet-reader.ts";
import { heard } from "../../lib/runtime/listening.ts";

type OnConsume = Parameters<PacketConsumer["consume"]>[1];

/** A client whose consume() settles when the test says so. */
class FakeConsumer extends EventEmitter implements PacketConsumer {
  stream = new EventEmitter();
  settle: OnConsume = () => {};
  settled = false;
  /** When it was closed. */
  closed?: "before consume() settled" | "after consume() settled";

  consume(_options: object, callback: OnConsume) {
    this.settle = (error, stream) => {
      this.settled = true;
      callback(error, stream);
    };
  }
  async close() {
    this.closed = this.settled ? "after consume() settled" : "before consume() settled";
  }
  works() {
    this.settle(null, this.stream);
  }
  fails() {
    this.settle(new Error("connection refused"));
  }
  packet(value: string) {
    this.stream.emit("data", { topic: "MOL.INFO", value: Buffer.from(value) });
  }
}

let consumers: FakeConsumer[];
let packets: string[];
let failures: unknown[];
let reader: PacketReader;

beforeEach(() => {
  jest.useFakeTimers();
  [consumers, packets, failures] = [[], [], []];
  heard("cluster");
  reader = createPacketReader({
    open() {
      const consumer = new FakeConsumer();
      consumers.push(consumer);
      return consumer;
    },
    onPacket: (_topic, packet) => void packets.push(packet.toString()),
    onFailure: (error) => void failures.push(error),
  });
});
afterEach(() => void jest.useRealTimers());

/** The consumer that was opened as number `n`, from 0. */
const opened = (n: number): FakeConsumer => {
  const consumer = consumers[n];
  if (!consumer) throw new Error(`${consumers.length} consumers were opened`);
  return consumer;
};

async function startReading(): Promise<void> {
  const started = reader.start(["MOL.INFO"]);
  opened(0).works();
  await started;
}

/** Lets time pass while the current consumer receives nothing. */
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test("packets are passed on in order", async () => {
  await startReading();
  for (const value of ["a", "b"]) opened(0).packet(value);
  expect(packets).toEqual(["a", "b"]);
});

test("a consumer that never came to read is replaced, and closed only after its consume() has settled", async () => {
  await startReading();
  await pass(7_000); // silent: the second one is opened
  await pass(11_000); // it does not come to read either: the third one is opened
  expect(consumers).toHaveLength(3);
  expect(opened(0).closed).toBe("after consume() settled");
  expect(opened(1).closed).toBeUndefined();
  opened(1).works();
  await pass(0);
  expect(opened(1).closed).toBe("after consume() settled");
});

test.each(["fails", "works"] as const)("closing waits for a consume() that still %s", async (outcome) => {
  void reader.start(["MOL.INFO"]).catch(() => {});
  const closed = reader.close();
  await pass(0);
  expect(opened(0).closed).toBeUndefined();
  opened(0)[outcome]();
  await closed;
  expect(opened(0).closed).toBe("after consume() settled");
});

test.each(["stream", "consumer"])(
  "an error of its %s is reported once, and another consumer reads on",
  async (source) => {
    await startReading();
    const gone = new Error("gone");
    for (let times = 0; times < 2; times++)
      (source === "stream" ? opened(0).stream : opened(0)).emit("error", gone);
    expect(failures).toEqual([gone]);
    await pass(500);
    opened(1).works();
    opened(1).packet("new");
    expect(packets).toEqual(["new"]);
    await pass(5_000);
    expect(consumers).toHaveLength(2);
  },
);

test("whatever a replaced consumer receives or reports is ignored, and its errors do not end the process", async () => {
  await startReading();
  await pass(7_000);
  opened(0).packet("late");
  for (const emitter of [opened(0).stream, opened(0)]) emitter.emit("error", new Error("Client is closed."));
  expect([packets, failures]).toEqual([[], []]);
});

test("an error at the moment when the stream appears does not end the process", async () => {
  const started = reader.start(["MOL.INFO"]);
  opened(0).works();
  opened(0).stream.emit("error", new Error("Client is closed.")); // in the same turn of the event loop
  await started;
  expect(failures).toHaveLength(1);
});

test("while Kafka is unavailable, consumers are tried until one reads", async () => {
  await startReading();
  await pass(7_000);
  opened(1).fails();
  await pass(500);
  opened(2).works();
  opened(2).packet("back");
  expect(packets).toEqual(["back"]);
  for (const consumer of [opened(0), opened(1)]) expect(consumer.closed).toBe("after consume() settled");
});

test("after close() no consumer is opened any more", async () => {
  await startReading();
  await reader.close();
  await pass(60_000);
  expect(consumers).toHaveLength(1);
  expect(opened(0).closed).toBe("after consume() settled");
});

test("a failed start can be repeated", async () => {
  const failed = reader.start(["MOL.INFO"]);
  opened(0).fails();
  await expect(failed).rejects.toThrow("connection refused");
  const started = reader.start(["MOL.INFO"]);
  opened(1).works();
  await started;
  expect(opened(0).closed).toBe("after consume() settled");
});
