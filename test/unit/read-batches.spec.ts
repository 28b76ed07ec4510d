import { expect, test } from "@jest/globals";
import Decoder from "kafkajs/src/protocol/decoder.js";
import readBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import { limitBatches, MAX_RECORDS, readBatches } from "../../lib/kafka/read-batches.ts";

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A batch of record format 2 that is not packed; `claimed` is the number of records in its header. */
function batchOf(firstOffset: number, count: number, claimed = count): Buffer {
  const records = Array.from({ length: count }, (_, delta) => {
    // attributes, time, offset, no key, a value of one byte, no headers
    const body = Buffer.concat([
      Buffer.of(0),
      varint(0),
      varint(delta),
      varint(-1),
      varint(1),
      Buffer.of(97, 0),
    ]);
    return Buffer.concat([varint(body.length), body]);
  });
  const head = Buffer.alloc(61);
  const body = Buffer.concat(records);
  head.writeBigInt64BE(BigInt(firstOffset), 0);
  head.writeInt32BE(head.length - 12 + body.length, 8);
  head.writeInt8(2, 16);
  head.writeInt32BE(claimed - 1, 23);
  head.writeInt32BE(claimed, 57);
  return Buffer.concat([head, body]);
}
const read = (...batches: Buffer[]) => readBatches(new Decoder(Buffer.concat(batches)), readBatch);
const offsets = async (...batches: Buffer[]) => (await read(...batches)).map(({ offset }) => Number(offset));

test("the records of several batches are read in order", async () => {
  const records = await read(batchOf(7, 2), batchOf(20, 1));
  expect(records.map(({ offset, value }) => [offset, String(value)])).toEqual([
    ["7", "a"],
    ["8", "a"],
    ["20", "a"],
  ]);
});

test("a batch of 100,000 records is read", async () => {
  const all = await offsets(batchOf(3, MAX_RECORDS));
  expect([all.length, all[0], all.at(-1)]).toEqual([MAX_RECORDS, 3, MAX_RECORDS + 2]);
}, 30_000);

test("a batch of more than 100,000 records becomes one record at its last offset, and the next batch is read", async () => {
  const records = await read(batchOf(3, 5), batchOf(8, 1, 3_000_000), batchOf(3_000_008, 1));
  expect(records.slice(5)).toMatchObject([
    { offset: "3000007", key: null, isControlRecord: false },
    { offset: "3000008" },
  ]);
  expect(String(records[5]?.value)).toBe("a batch of 3000000 records from offset 8, more than 100000");
});

test("after 20,000 records, no further batch of a response is read", async () => {
  expect(await offsets(batchOf(0, 19_999), batchOf(19_999, 2), batchOf(20_001, 1))).toHaveLength(20_001);
});

test.each([0, 1, 12, 30, 60, 61, 70])(
  "a last batch of which only %d bytes arrived is ignored",
  async (length) => {
    expect(await offsets(batchOf(0, 2), batchOf(2, 2).subarray(0, length))).toEqual([0, 1]);
  },
);

test("kafkajs uses this reader for its responses", async () => {
  await limitBatches();
  const batch = batchOf(5, 1, 1_000_000);
  const head = Buffer.alloc(62);
  head.writeInt32BE(1, 10); // one topic
  head.writeInt16BE(-1, 14); // without a name
  head.writeInt32BE(1, 16); // one partition; then its number, error, offsets, aborted transactions, replica
  head.writeInt32BE(batch.length, 58);
  const { default: response } = await import("kafkajs/src/protocol/requests/fetch/v11/response.js");
  const { responses } = await response.decode(Buffer.concat([head, batch]));
  expect(responses[0]?.partitions[0]?.messages).toMatchObject([{ offset: "1000004" }]);
});
