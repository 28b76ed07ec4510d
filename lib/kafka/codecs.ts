import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { collectRecords, varint } from "./cut-records.ts";
import { MAX_RECORDS } from "./read-batches.ts";
import { unpackLz4, unpackSnappy } from "./unpack.ts";

/**
 * Registers decompression for the codecs that kafkajs lacks: Snappy, LZ4 and ZSTD. GZIP is replaced too, because
 * kafkajs unpacks a batch of any size into memory. A batch that cannot be unpacked becomes records that say so: each is
 * dead-lettered, and the partition continues.
 */
export async function registerCodecs(): Promise<void> {
  const {
    default: { CompressionCodecs, CompressionTypes },
  } = await import("kafkajs");
  const codecs = {
    [CompressionTypes.GZIP]: (packed: Buffer) => unpacked(createGunzip(), packed),
    [CompressionTypes.Snappy]: unpackSnappy,
    [CompressionTypes.LZ4]: unpackLz4,
    [CompressionTypes.ZSTD]: (packed: Buffer) => unpacked(createZstdDecompress(), packed),
  };
  for (const [type, unpack] of Object.entries(codecs)) {
    const decompress = (packed: Buffer) => collectRecords(unpack(packed)).catch(unreadableRecords);
    Object.assign(CompressionCodecs, { [type]: () => ({ decompress }) });
  }
}

/**
 * Records at consecutive offsets whose value says that the batch cannot be unpacked. They are as many as a batch may
 * have, as kafkajs reads as many records as the batch header says.
 */
export const unreadableRecords = (): Buffer => {
  unreadable ??= makeUnreadable();
  return unreadable;
};
let unreadable: Buffer | undefined;

function makeUnreadable(): Buffer {
  const value = Buffer.from("a record of a batch that cannot be unpacked");
  const end = Buffer.concat([varint(-1), varint(value.length), value, varint(0)]); // no key, no headers
  const records: Buffer[] = [];
  for (let offset = 0; offset < MAX_RECORDS; offset++) {
    const start = Buffer.concat([Buffer.of(0), varint(0), varint(offset)]); // attributes, time, offset
    records.push(varint(start.length + end.length), start, end);
  }
  return Buffer.concat(records);
}

function unpacked(stream: Transform, packed: Buffer): Transform {
  stream.end(packed);
  return stream;
}
