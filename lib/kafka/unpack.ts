/**
 * Unpacks Snappy and LZ4 in portions. Both formats list literal bytes and copies of earlier output, so a batch of a few
 * kB may unpack to many MB, and the length that it declares may be wrong.
 */

/** Bytes back that a copy may reach: the limit of LZ4, and the block size of the Snappy encoders. */
const WINDOW = 64 * 1024;
const PORTION = 4 * WINDOW;

/** Bytes to append: literal ones of `source` from `at`, or earlier output from `at` bytes back, which may overlap. */
type Step = { source: Buffer | undefined; at: number; length: number };

/**
 * @param packed one block, or the series of blocks that Java's client writes
 * @throws Error if it is not Snappy
 */
export const unpackSnappy = (packed: Buffer): Generator<Buffer> => unpack(snappySteps(packed));

/**
 * @param packed one frame; its checksums are not read, as Kafka has one of its own for each batch
 * @throws Error if it is not LZ4
 */
export const unpackLz4 = (packed: Buffer): Generator<Buffer> => unpack(lz4Steps(packed));

function* unpack(steps: Iterable<Step>): Generator<Buffer> {
  const output = Buffer.allocUnsafe(WINDOW + PORTION);
  let start = 0; // of what is not returned yet
  let end = 0;
  for (const { source, at, length } of steps) {
    if (source ? at + length > source.length : at < 1 || at > Math.min(end, WINDOW))
      throw new Error("Bytes are copied from outside of the batch or the window");
    for (let done = 0; done < length; ) {
      if (end === output.length) {
        yield Buffer.from(output.subarray(start));
        output.copyWithin(0, end - WINDOW);
        start = WINDOW;
        end = WINDOW;
      }
      const wanted = Math.min(length - done, output.length - end);
      if (source) append(output, end, source, at + done, wanted);
      else appendAgain(output, end, at, wanted);
      done += wanted;
      end += wanted;
    }
  }
  yield Buffer.from(output.subarray(start, end));
}

/** Appends output that begins `distance` bytes back. It repeats itself, so each copy may be twice as long. */
function appendAgain(output: Buffer, end: number, distance: number, length: number): void {
  for (let done = 0; done < length; ) {
    const wanted = Math.min(distance + done, length - done);
    append(output, end + done, output, end - distance, wanted);
    done += wanted;
  }
}

/** Copies bytes that do not overlap. A loop copies a few of them faster than Buffer.copy (measured). */
function append(output: Buffer, end: number, source: Buffer, from: number, length: number): void {
  if (length >= 64) source.copy(output, end, from, from + length);
  else for (let index = 0; index < length; index++) output[end + index] = source[from + index] ?? 0;
}

const XERIAL = Buffer.from("\x82SNAPPY\0", "latin1");
const XERIAL_HEADER = 16; // bytes: the mark, a version and the oldest version that can read it

function* snappySteps(packed: Buffer): Generator<Step> {
  if (!packed.subarray(0, XERIAL.length).equals(XERIAL)) return yield* snappyBlock(packed);
  for (let at = XERIAL_HEADER; at < packed.length; ) {
    const length = packed.readUInt32BE(at);
    yield* snappyBlock(slice(packed, at + 4, length));
    at += 4 + length;
  }
}

function* snappyBlock(block: Buffer): Generator<Step> {
  let at = 0;
  let missing = 0; // bytes of output that are still to come
  for (let bits = 0, byte = 0x80; byte >= 0x80; bits += 7) {
    byte = block.readUInt8(at++);
    missing += (byte & 0x7f) * 2 ** bits;
  }
  while (at < block.length) {
    const tag = block.readUInt8(at++);
    const kind = tag & 3;
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59); // bytes of a length that does not fit into the tag
      const length = 1 + (extra === 0 ? tag >> 2 : block.readUIntLE(at, extra));
      yield { source: block, at: at + extra, length };
      at += extra + length;
      missing -= length;
    } else {
      const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
      const bytes = kind === 3 ? 4 : kind;
      const distance = block.readUIntLE(at, bytes) + (kind === 1 ? (tag >> 5) * 256 : 0);
      yield { source: undefined, at: distance, length };
      at += bytes;
      missing -= length;
    }
  }
  if (missing !== 0) throw new Error("The block has another length than it declares");
}

const LZ4_MAGIC = 0x184d2204;
const LZ4 = {
  version: 0x40,
  blockChecksum: 0x10,
  contentSize: 0x08,
  dictionary: 0x01,
  uncompressed: 0x80000000,
};

function* lz4Steps(packed: Buffer): Generator<Step> {
  const flags = packed.readUInt8(4);
  if (packed.readUInt32LE(0) !== LZ4_MAGIC || (flags & 0xc0) !== LZ4.version || flags & LZ4.dictionary)
    throw new Error("The batch is no LZ4 frame");
  let at = flags & LZ4.contentSize ? 15 : 7; // with the block size and the header's checksum
  for (;;) {
    const size = packed.readUInt32LE(at);
    if (size === 0) return;
    const block = slice(packed, at + 4, size % LZ4.uncompressed);
    if (size >= LZ4.uncompressed) yield { source: block, at: 0, length: block.length };
    else yield* lz4Block(block);
    at += 4 + block.length + (flags & LZ4.blockChecksum ? 4 : 0);
  }
}

function* lz4Block(block: Buffer): Generator<Step> {
  let at = 0;
  const readLength = (nibble: number): number => {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = block.readUInt8(at++);
    return length;
  };
  while (at < block.length) {
    const token = block.readUInt8(at++);
    const literals = readLength(token >> 4);
    yield { source: block, at, length: literals };
    at += literals;
    if (at === block.length) return; // the last sequence has no copy
    const distance = block.readUInt16LE(at);
    at += 2;
    yield { source: undefined, at: distance, length: 4 + readLength(token & 15) };
  }
}

/** @throws Error if the bytes end before */
function slice(bytes: Buffer, start: number, length: number): Buffer {
  if (start + length > bytes.length) throw new Error("The batch ends too early");
  return bytes.subarray(start, start + length);
}
