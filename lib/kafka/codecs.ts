import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { collectRecords } from "./cut-records.ts";

/**
 * Registers the codecs that kafkajs lacks, for reading: Snappy, LZ4 and ZSTD. GZIP is replaced too, as kafkajs unpacks
 * a batch of any size into memory.
 */
export async function registerCodecs(): Promise<void> {
  const [{ default: kafkajs }, { compressionsAlgorithms }] = await Promise.all([
    import("kafkajs"),
    import("@platformatic/kafka"),
  ]);
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const codecs = {
    [CompressionTypes.GZIP]: (packed: Buffer) => collectRecords(unpacked(createGunzip(), packed)),
    [CompressionTypes.ZSTD]: (packed: Buffer) => collectRecords(unpacked(createZstdDecompress(), packed)),
    // the formats allow at most 255 times the packed size
    [CompressionTypes.Snappy]: (packed: Buffer) =>
      collectRecords([compressionsAlgorithms.snappy.decompressSync(packed)]),
    [CompressionTypes.LZ4]: (packed: Buffer) =>
      collectRecords([compressionsAlgorithms.lz4.decompressSync(packed)]),
  };
  for (const [type, decompress] of Object.entries(codecs))
    Object.assign(CompressionCodecs, { [type]: () => ({ decompress }) });
}

function unpacked(stream: Transform, packed: Buffer): Transform {
  stream.end(packed);
  return stream;
}
