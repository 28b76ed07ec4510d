import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { ServiceBroker } from "moleculer";
import type { Pending } from "../../services/outbox/outbox.store.ts";
import { publish } from "../../services/outbox/publish.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const record = (id: number, key: string): Pending => ({
  id,
  key,
  value: JSON.stringify({
    eventType: "user.updated",
    userId: key,
    data: id,
    metadata: { correlationId: "c" },
  }),
  traceparent: null,
  shard: 0,
  isBehind: false,
});
const records = [record(1, "a"), record(2, "a"), record(3, "b"), record(4, "a"), record(5, "b")];

/** A broker whose listeners behave like `listen`; `emitted` holds the events that they received. */
function brokerWith(listen: () => Promise<unknown>) {
  const emitted: number[] = [];
  const emit = (_type: string, { data }: { data: number }) => {
    emitted.push(data);
    return listen();
  };
  return { broker: { emit, isTracingEnabled: () => false } as unknown as ServiceBroker, emitted };
}

test("a listener that hangs delays a batch by 2 s in total, and every event is still emitted in order", async () => {
  const { broker, emitted } = brokerWith(() => new Promise(() => {}));
  const publishing = publish(broker, undefined, "user-events", records);
  await jest.advanceTimersByTimeAsync(1_999);
  expect(emitted).toEqual([1, 3]);
  await jest.advanceTimersByTimeAsync(1);
  await expect(publishing).resolves.toEqual({ published: records, refused: [], failure: undefined });
  expect(emitted.filter((id) => records[id - 1]?.key === "a")).toEqual([1, 2, 4]);
  expect(emitted.filter((id) => records[id - 1]?.key === "b")).toEqual([3, 5]);
});

test("if a listener throws, all events are still emitted and count as published", async () => {
  const { broker, emitted } = brokerWith(() => Promise.reject(new Error("This listener fails")));
  const { published } = await publish(broker, undefined, "user-events", records);
  expect(published).toEqual(records);
  expect(emitted).toHaveLength(5);
});

test("only events that Kafka accepted are emitted, and dead letters are never emitted", async () => {
  const { broker, emitted } = brokerWith(() => Promise.resolve());
  const failure = new Error("Kafka is unavailable");
  const producer = {
    produce: async <Item>(items: Item[]) => ({
      published: items.slice(0, 2),
      refused: items.slice(2, 3).map((item) => ({ record: item, fault: "MESSAGE_TOO_LARGE" })),
      failure,
    }),
    close: async () => {},
  };
  const outcome = await publish(broker, producer, "user-events", records);
  expect(emitted).toEqual([1, 2]);
  expect(outcome).toEqual({
    published: records.slice(0, 2),
    refused: [{ record: records[2], fault: "MESSAGE_TOO_LARGE" }],
    failure,
  });
  await publish(broker, producer, "media-events-dlq", records);
  expect(emitted).toEqual([1, 2]);
});
