import { createRequire } from "node:module";
import type Decoder from "kafkajs/src/protocol/decoder.js";
import type { BatchReader, FetchedRecord } from "kafkajs/src/protocol/recordBatch/v0/decoder.js";

/** Records of a batch that are read: more than batches have in practice. */
export const MAX_RECORDS = 100_000;

/** When so many records of a partition are read, its other batches are fetched again later. */
const ENOUGH = 20_000;

/** Where a batch of Kafka's record format 2 has its fields, in bytes from its start. */
const AT = { firstOffset: 0, length: 8, magic: 16, lastOffsetDelta: 23, count: 57, records: 61 };
const MAGIC = 2;

/**
 * Replaces the function of kafkajs (2.2.4) that reads the batches of a partition, before its first use. It passes the
 * records of a batch as arguments of a call: at about 120,000 that exhausts the stack, and the consumer crashes at the
 * same batch for ever. Also, 1 MiB of packed batches may hold millions of records.
 */
export async function limitBatches(): Promise<void> {
  const [{ default: readBatch }, { default: readOldFormat }] = await Promise.all([
    import("kafkajs/src/protocol/recordBatch/v0/decoder.js"),
    import("kafkajs/src/protocol/messageSet/decoder.js"),
  ]);
  const require = createRequire(import.meta.url);
  const file = require.resolve("kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js");
  require(file);
  const loaded = require.cache[file];
  if (!loaded) throw new Error("kafkajs has no decodeMessages.js");
  loaded.exports = async (response: Decoder): Promise<FetchedRecord[]> => {
    const size = response.readInt32();
    if (size <= 0 || !response.canReadBytes(size)) return [];
    const batches = response.slice(size);
    response.forward(size);
    const isOld = batches.buffer.readInt8(AT.magic) !== MAGIC;
    return isOld ? readOldFormat(batches, size) : readBatches(batches, readBatch);
  };
}

/**
 * Reads batches until there are enough records. A batch of more than MAX_RECORDS is one record at its last offset whose
 * value says so: it is dead-lettered, and the partition goes on. The last batch may be incomplete.
 */
export async function readBatches(batches: Decoder, readBatch: BatchReader): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  while (records.length < ENOUGH && batches.canReadBytes(AT.records)) {
    const start = batches.buffer.subarray(batches.offset);
    const end = AT.length + 4 + start.readInt32BE(AT.length);
    if (!batches.canReadBytes(end)) break;
    const count = start.readInt32BE(AT.count);
    if (count > MAX_RECORDS) {
      records.push(tooManyRecords(start, count));
      batches.forward(end);
    } else for (const record of (await readBatch(batches)).records) records.push(record);
  }
  return records;
}

function tooManyRecords(batch: Buffer, count: number): FetchedRecord {
  const first = batch.readBigInt64BE(AT.firstOffset);
  const offset = String(first + BigInt(batch.readInt32BE(AT.lastOffsetDelta)));
  const value = Buffer.from(`a batch of ${count} records from offset ${first}, more than ${MAX_RECORDS}`);
  const batchContext = { inTransaction: false };
  return { offset, key: null, value, headers: {}, isControlRecord: false, batchContext };
}
