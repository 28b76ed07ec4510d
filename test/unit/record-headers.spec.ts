import { expect, test } from "@jest/globals";
import Decoder from "kafkajs/src/protocol/decoder.js";
import readRecord from "kafkajs/src/protocol/recordBatch/record/v0/decoder.js";
import { limitHeaders } from "../../lib/kafka/record-headers.ts";

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
};
const text = (value: string) => Buffer.concat([varint(value.length), Buffer.from(value)]);

/** A record as Kafka sends it, after its length: attributes, time, offset, key, value, headers. */
const recordWith = (headers: [string, string][]) => {
  const written = headers.map(([name, value]) => Buffer.concat([text(name), text(value)]));
  const head = [Buffer.from([0]), varint(0), varint(0), varint(-1), text("{}")];
  return Buffer.concat([...head, varint(headers.length), ...written]);
};
const read = (headers: [string, string][]) =>
  readRecord(new Decoder(recordWith(headers)), { firstOffset: "0", firstTimestamp: "0" });

test("a record with 100,000 headers is read, with its first 100 headers", async () => {
  await limitHeaders();
  const many = Array.from({ length: 100_000 }, (_, index): [string, string] => [`h${index}`, "v"]);
  const { value, headers } = read([["traceparent", "00"], ...many]);
  expect(value?.toString()).toBe("{}");
  expect(Object.keys(headers)).toEqual(["traceparent", ...many.slice(0, 99).map(([name]) => name)]);
});

test("a repeated header becomes a list, and a record without headers is read", async () => {
  await limitHeaders();
  const { headers } = read([
    ["a", "1"],
    ["a", "2"],
    ["b", "3"],
  ]);
  expect(headers).toEqual({ a: [Buffer.from("1"), Buffer.from("2")], b: Buffer.from("3") });
  expect(read([]).headers).toEqual({});
});
