import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { faultOf } from "../../lib/kafka/faults.ts";
import { sendByPartition, sendInOrder } from "../../lib/kafka/send-in-order.ts";
import { createFakeKafka, kafkaError, type Weather, wrapped } from "../helpers/fake-kafka.ts";

const never = () => false;

test.each([
  { error: kafkaError("MESSAGE_TOO_LARGE", false), scope: "record" },
  { error: wrapped(kafkaError("RECORD_LIST_TOO_LARGE", false)), scope: "record" },
  { error: kafkaError("INVALID_RECORD", false), scope: "record" },
  { error: kafkaError("KAFKAJS_UNKNOWN_ERROR_CODE", false), scope: "record" },
  { error: Object.assign(new Error("no text", { cause: new TypeError() })), scope: "record" },
  { error: wrapped(kafkaError("UNKNOWN_TOPIC_OR_PARTITION", true)), scope: "topic" },
  { error: kafkaError("TOPIC_AUTHORIZATION_FAILED", false), scope: "topic" },
  { error: kafkaError("INVALID_TOPIC_EXCEPTION", false), scope: "topic" },
  { error: wrapped(kafkaError("NOT_LEADER_FOR_PARTITION", true)), scope: "later" },
  { error: kafkaError("NOT_ENOUGH_REPLICAS", true), scope: "later" },
  { error: kafkaError("BROKER_NOT_AVAILABLE", false), scope: "later" },
  { error: kafkaError("SASL_AUTHENTICATION_FAILED", false), scope: "later" },
  { error: kafkaError("CLUSTER_AUTHORIZATION_FAILED", false), scope: "later" },
  { error: Object.assign(new Error("refused"), { name: "KafkaJSConnectionError" }), scope: "later" },
  { error: "not an error", scope: "later" },
])("the scope of $error is $scope", ({ error, scope }) => {
  expect(faultOf(error).scope).toBe(scope);
});

type Sent = { id: number; key: string | null; value: string; bad: boolean };

const someRecords = fc
  .array(
    fc.record({
      key: fc.constantFrom("a", "b", "c", "d", null),
      value: fc.constantFrom("small", "x".repeat(400_000)),
      bad: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 60 },
  )
  .map((records) => records.map((record, id): Sent => ({ id, ...record })));

/** The records without the bad ones and without those that follow a bad one of the same key. */
const withoutBad = (records: Sent[]) =>
  records.filter(({ id, key, bad }) => {
    const before = (one: Sent) => one.bad && key !== null && one.key === key && one.id < id;
    return !bad && !records.some(before);
  });

test("each valid record is sent once and in order, the first bad record of a key is refused, and later ones of that key are not sent", async () => {
  await fc.assert(
    fc.asyncProperty(someRecords, async (records) => {
      const kafka = createFakeKafka((id) => records[id]?.bad ?? false);
      const outcome = await sendByPartition(records, kafka.partitionOf, kafka.send, never);
      const good = withoutBad(records);
      for (const key of ["a", "b", "c", "d"]) {
        const idsOf = (list: { id: number; key: string | null }[]) =>
          list.filter((one) => one.key === key).map(({ id }) => id);
        expect(idsOf(kafka.taken)).toEqual(idsOf(good));
      }
      const ids = (list: { id: number }[]) => list.map(({ id }) => id).sort((a, b) => a - b);
      expect(ids(kafka.taken)).toEqual(ids(good));
      expect(ids(outcome.published)).toEqual(ids(good));
      const firstBad = records.filter((one) => {
        const sameKey = ({ key, bad, id }: Sent) => bad && key !== null && key === one.key && id < one.id;
        return one.bad && !records.some(sameKey);
      });
      expect(ids(outcome.refused.map(({ record }) => record))).toEqual(ids(firstBad));
      expect(outcome.failure).toBeUndefined();
      const perRefusal = 2 * Math.ceil(Math.log2(records.length + 1)) + 2;
      expect(kafka.requests()).toBeLessThanOrEqual(records.length + firstBad.length * perRefusal);
    }),
  );
});

test("after a temporary failure, only records that Kafka has are reported as published, and none was sent twice", async () => {
  const storm = fc.array(
    fc.constantFrom<Weather>("passes", "passes", "is lost", "arrives, but its answer is lost"),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(someRecords, storm, async (records, weather) => {
      const kafka = createFakeKafka((id) => records[id]?.bad ?? false, [...weather]);
      const { published, failure } = await sendByPartition(records, kafka.partitionOf, kafka.send, never);
      const taken = new Set(kafka.taken);
      expect(published.filter((record) => !taken.has(record))).toEqual([]);
      expect(kafka.taken).toHaveLength(taken.size);
      if (!failure) expect(published).toHaveLength(taken.size);
    }),
  );
});

test("no batch is sent after the time limit, and unsent records are reported as neither published nor refused", async () => {
  const records = [1, 2, 3].map((id) => ({ id, key: "a", value: "x".repeat(600_000) }));
  const kafka = createFakeKafka(never);
  const outcome = await sendInOrder(
    records,
    (batch) => kafka.send(0, batch),
    () => kafka.requests() === 2,
  );
  expect(outcome).toEqual({ published: records.slice(0, 2), refused: [] });
});
