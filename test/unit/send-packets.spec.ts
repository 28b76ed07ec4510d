import { expect, test } from "@jest/globals";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { createPacketSender } from "../../lib/kafka/send-packets.ts";

/** A sender whose batches the test completes. */
function byHand() {
  const batches: { topic: string; values: string[]; done(error?: Error): void }[] = [];
  const send = createPacketSender(
    (topic, values) =>
      new Promise<void>((resolve, reject) =>
        batches.push({
          topic,
          values: values.map(String),
          done: (error) => (error ? reject(error) : resolve()),
        }),
      ),
  );
  return { batches, send: (topic: string, text: string) => send(topic, Buffer.from(text)) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("packets that wait while their topic is busy are sent together and in order", async () => {
  const { batches, send } = byHand();
  const sent = ["1", "2", "3"].map((text) => send("a", text));
  expect(batches.map(({ values }) => values)).toEqual([["1"]]);
  batches[0]?.done();
  await settled();
  expect(batches.map(({ values }) => values)).toEqual([["1"], ["2", "3"]]);
  batches[1]?.done();
  await expect(Promise.all(sent)).resolves.toEqual([undefined, undefined, undefined]);
});

test("topics do not wait for each other, and a refused batch fails only its own packets", async () => {
  const { batches, send } = byHand();
  const [lost, later, other] = [send("gone", "1"), send("gone", "2"), send("there", "3")];
  const outcomes = Promise.allSettled([lost, later, other]);
  expect(batches.map(({ topic }) => topic)).toEqual(["gone", "there"]);
  batches[0]?.done(new Error("unknown topic"));
  batches[1]?.done();
  await settled();
  batches[2]?.done();
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  await expect(lost).rejects.toBeInstanceOf(DependencyUnavailable);
});

test("a batch stays below the size that Kafka refuses; a larger packet is sent alone", async () => {
  const { batches, send } = byHand();
  const sizes = [1, 400_000, 400_000, 2_000_000, 1];
  for (const size of sizes) void send("a", "x".repeat(size));
  for (let next = 0; next < batches.length; next++) {
    batches[next]?.done();
    await settled();
  }
  const sent = batches.map(({ values }) => values.map(({ length }) => length));
  expect(sent).toEqual([[1], [400_000], [400_000], [2_000_000], [1]]);
});

test("packets are refused while more than 16 MiB wait, and accepted again after some were sent", async () => {
  const { batches, send } = byHand();
  const large = "x".repeat(2 ** 20);
  for (let count = 0; count < 18; count++) send("a", large).catch(() => {});
  await expect(send("b", "1")).rejects.toBeInstanceOf(DependencyUnavailable);
  batches[0]?.done();
  await settled();
  const accepted = send("b", "1");
  batches.at(-1)?.done();
  await expect(accepted).resolves.toBeUndefined();
});
