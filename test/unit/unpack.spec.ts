import { describe, expect, test } from "@jest/globals";
import { compressionsAlgorithms } from "@platformatic/kafka";
import fc from "fast-check";
import { unpackLz4, unpackSnappy } from "../../lib/kafka/unpack.ts";

/** The tests pack with another implementation, in WebAssembly. */
const FORMATS = {
  Snappy: { pack: compressionsAlgorithms.snappy.compressSync, unpack: unpackSnappy },
  LZ4: { pack: compressionsAlgorithms.lz4.compressSync, unpack: unpackLz4 },
};
const MAX_PORTION = 320 * 1024; // bytes

/** Random data with short and long repetitions at short and long distances. */
const data = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 6_000 })), {
    minLength: 1, // the packer sometimes throws if there is nothing to pack
    maxLength: 30,
  })
  .map((parts) => Buffer.concat(parts.map(([bytes, times]) => Buffer.alloc(bytes.length * times, bytes))));

describe.each(Object.entries(FORMATS))("%s", (_name, { pack, unpack }) => {
  test("any packed data is unpacked correctly, in portions of at most 320 kB", () => {
    fc.assert(
      fc.property(data, (bytes) => {
        const portions = [...unpack(pack(bytes))];
        expect(Buffer.concat(portions).equals(bytes)).toBe(true);
        expect(Math.max(...portions.map(({ length }) => length))).toBeLessThanOrEqual(MAX_PORTION);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("10 MB are unpacked in portions of at most 320 kB", () => {
    let bytes = 0;
    let longest = 0;
    for (const portion of unpack(pack(Buffer.alloc(10_000_000, "x")))) {
      bytes += portion.length;
      longest = Math.max(longest, portion.length);
    }
    expect(bytes).toBe(10_000_000);
    expect(longest).toBeLessThanOrEqual(MAX_PORTION);
  });

  test("data with any byte changed is unpacked or refused, in portions of at most 320 kB", () => {
    const packed = pack(Buffer.from("one two three one two three one two three ".repeat(2_000)));
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const broken = Buffer.from(packed);
        broken[at] = (packed[at] ?? 0) ^ change;
        try {
          for (const { length } of unpack(broken)) expect(length).toBeLessThanOrEqual(MAX_PORTION);
        } catch (error) {
          expect(String(error)).toMatch(/batch|block|out of range|outside/i);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("a truncated batch is refused", () => {
    const packed = pack(Buffer.from(Array.from({ length: 5_000 }, (_, n) => `${n}`).join()));
    for (const length of [1, 4, 10, packed.length >> 1, packed.length - 5])
      expect(() => [...unpack(packed.subarray(0, length))]).toThrow();
  });
});

test("a Snappy batch that declares 4 GB and holds one byte is refused", () => {
  expect(() => [...unpackSnappy(Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 65))]).toThrow("another length");
});
