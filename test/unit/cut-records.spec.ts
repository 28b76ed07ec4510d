import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "@jest/globals";
import { compressionsAlgorithms } from "@platformatic/kafka";
import kafkajs from "kafkajs";
import { registerCodecs, unreadableRecords } from "../../lib/kafka/codecs.ts";
import { collectRecords, MAX_BATCH, MAX_VALUE } from "../../lib/kafka/cut-records.ts";

/** A record of Kafka's format 2, written independently of the code under test: all lengths as zigzag varints. */
function varint(value: number): Buffer {
  let rest = BigInt(value) >= 0n ? BigInt(value) * 2n : BigInt(value) * -2n - 1n;
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
function record(offsetDelta: number, value: Buffer, key = Buffer.from("key")): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(5),
    varint(offsetDelta),
    varint(key.length),
    key,
    varint(value.length),
    value,
    varint(0),
  ]);
  return Buffer.concat([varint(body.length), body]);
}
/** The offset and the value's length of each record. */
function read(bytes: Buffer): { offset: number; length: number; first: string }[] {
  let at = 0;
  const next = () => {
    let [value, shift] = [0n, 0n];
    for (let byte = 0x80; byte >= 0x80; shift += 7n) {
      byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
    }
    return Number((value >> 1n) ^ -(value & 1n));
  };
  const records = [];
  while (at < bytes.length) {
    const end = next() + at;
    at += 1;
    next();
    const offset = next();
    const key = next();
    at += Math.max(0, key);
    const length = next();
    records.push({ offset, length, first: bytes.toString("utf8", at, at + 4) });
    expect(at + length).toBeLessThanOrEqual(end);
    at = end;
  }
  return records;
}
function* portions(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("a batch that unpacks to an ordinary size is returned unchanged", async () => {
  const batch = Buffer.concat([record(0, Buffer.alloc(2 * MAX_VALUE, "x")), record(1, Buffer.from("good"))]);
  expect(batch.equals(await collectRecords(portions(batch, 65_536)))).toBe(true);
});

test.each([7_001, 65_536, MAX_BATCH])(
  "a record of 20 MB is cut to 1 MiB and one byte, and its neighbours stay whole, in portions of %d bytes",
  async (size) => {
    const sizes = [Buffer.from("one."), Buffer.alloc(20_000_000, "big."), Buffer.from("two.")];
    const batch = Buffer.concat(sizes.map((value, index) => record(index, value)));
    const collected = await collectRecords(portions(batch, size));
    expect(read(collected)).toEqual([
      { offset: 0, length: 4, first: "one." },
      { offset: 1, length: MAX_VALUE + 1, first: "big." },
      { offset: 2, length: 4, first: "two." },
    ]);
  },
);

test("a batch of many large records is bounded, and keeps the number of records", async () => {
  const large = record(3, Buffer.alloc(MAX_VALUE, "big."));
  const batch = (function* () {
    for (let n = 0; n < 100; n++) yield* portions(large, 65_536);
  })();
  const collected = await collectRecords(batch);
  expect(collected.length).toBeLessThan(5 * MAX_BATCH);
  expect(read(collected)).toHaveLength(100);
});

test("a record whose key is too long is kept without its key", async () => {
  const batch = Buffer.concat([
    record(0, Buffer.from("one."), Buffer.alloc(20_000_000, "k")),
    record(1, Buffer.from("two.")),
  ]);
  expect(read(await collectRecords(portions(batch, 65_536)))).toEqual([
    { offset: 0, length: 0, first: expect.any(String) },
    { offset: 1, length: 4, first: "two." },
  ]);
});

const { CompressionCodecs, CompressionTypes } = kafkajs;
const xerial = (data: Buffer) => {
  const packed = compressionsAlgorithms.snappy.compressSync(data);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(packed.length);
  const header = Buffer.concat([
    Buffer.from([0x82]),
    Buffer.from("SNAPPY\0"),
    Buffer.from([0, 0, 0, 1, 0, 0, 0, 1]),
  ]);
  return Buffer.concat([header, length, packed, length, packed]);
};
test.each([
  { codec: "GZIP", type: CompressionTypes.GZIP, pack: gzipSync, times: 1 },
  { codec: "ZSTD", type: CompressionTypes.ZSTD, pack: zstdCompressSync, times: 1 },
  { codec: "LZ4", type: CompressionTypes.LZ4, pack: compressionsAlgorithms.lz4.compressSync, times: 1 },
  {
    codec: "Snappy",
    type: CompressionTypes.Snappy,
    pack: compressionsAlgorithms.snappy.compressSync,
    times: 1,
  },
  { codec: "Snappy in the framing of Java", type: CompressionTypes.Snappy, pack: xerial, times: 2 },
])("$codec batches are unpacked by kafkajs", async ({ type, pack, times }) => {
  await registerCodecs();
  const data = Buffer.concat(Array.from({ length: 50 }, (_, n) => record(n, Buffer.alloc(1_000, `${n}`))));
  const codec = CompressionCodecs[type as keyof typeof CompressionCodecs]() as {
    decompress(packed: Buffer): Promise<Buffer>;
  };
  const unpacked = await codec.decompress(pack(data));
  expect(unpacked.equals(Buffer.concat(Array(times).fill(data)))).toBe(true);
});

test.each([
  { codec: "GZIP", pack: gzipSync },
  { codec: "ZSTD", pack: zstdCompressSync },
  { codec: "LZ4", pack: compressionsAlgorithms.lz4.compressSync },
  { codec: "Snappy", pack: compressionsAlgorithms.snappy.compressSync },
] as const)(
  "a $codec batch with a record of 20 MB is cut, and its neighbours stay whole",
  async ({ codec, pack }) => {
    await registerCodecs();
    const values = [Buffer.from("one."), Buffer.alloc(20_000_000, "big."), Buffer.from("two.")];
    const { decompress } = CompressionCodecs[CompressionTypes[codec]]() as {
      decompress(packed: Buffer): Promise<Buffer>;
    };
    const batch = Buffer.concat(values.map((value, index) => record(index, value)));
    expect(read(await decompress(pack(batch)))).toEqual([
      { offset: 0, length: 4, first: "one." },
      { offset: 1, length: MAX_VALUE + 1, first: "big." },
      { offset: 2, length: 4, first: "two." },
    ]);
  },
);

test("a GZIP batch that ends too early becomes records that report it", async () => {
  await registerCodecs();
  const codec = CompressionCodecs[CompressionTypes.GZIP]() as { decompress(packed: Buffer): Promise<Buffer> };
  const packed = gzipSync(Buffer.alloc(10_000, "x"));
  expect(gunzipSync(packed)).toHaveLength(10_000);
  expect((await codec.decompress(packed.subarray(0, 20))).equals(unreadableRecords())).toBe(true);
});

test.each(["GZIP", "Snappy", "LZ4", "ZSTD"] as const)(
  "a %s batch that cannot be unpacked becomes records that report it, at consecutive offsets",
  async (type) => {
    await registerCodecs();
    const codec = kafkajs.CompressionCodecs[kafkajs.CompressionTypes[type]]() as {
      decompress(packed: Buffer): Promise<Buffer>;
    };
    const unpacked = await codec.decompress(Buffer.from("this is not a packed batch, whatever the codec"));
    expect(unpacked.equals(unreadableRecords())).toBe(true);
    expect(read(unpacked.subarray(0, 500)).slice(0, 3)).toMatchObject([
      { offset: 0, first: expect.any(String) },
      { offset: 1 },
      { offset: 2 },
    ]);
  },
);
