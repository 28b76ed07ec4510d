/** The maximum number of bytes of a value that are read: Kafka's default limit for a record is 1 MiB. */
export const MAX_VALUE = 1024 * 1024;

/** The unpacked size, in bytes, above which the large records of a batch are cut. */
export const MAX_BATCH = 16 * 1024 * 1024;

/** The maximum number of bytes of a record that are inspected: a value that is too long, and everything before it. */
const MAX_HEAD = MAX_VALUE + 64 * 1024;

/**
 * Collects the unpacked records of a batch (Kafka's record format 2) with bounded memory. A batch of up to MAX_BATCH
 * bytes is returned as it is. In a larger one a value above MAX_VALUE is cut to MAX_VALUE + 1 bytes, which shows that
 * it is too long, and when the values together reach 4 × MAX_BATCH, those that follow are empty.
 *
 * @param chunks the unpacked bytes in order
 * @returns as many records as the batch has
 */
export async function collectRecords(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Buffer> {
  const whole: Buffer[] = [];
  let bytes = 0;
  let cutter: ReturnType<typeof createCutter> | undefined;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (cutter) cutter.push(chunk);
    else whole.push(chunk);
    if (cutter || bytes <= MAX_BATCH) continue;
    cutter = createCutter();
    for (const early of whole.splice(0)) cutter.push(early);
  }
  return Buffer.concat(cutter ? cutter.records : whole);
}

/** Accepts chunks of any size; `records` holds what is kept of each record so far. */
function createCutter() {
  const records: Buffer[] = [];
  let pending = Buffer.alloc(0); // the bytes of an incomplete record
  const later: Buffer[] = []; // bytes after those, joined only when there are enough of them
  let missing = 0; // bytes that pending lacks at least
  let skipping = 0; // bytes of a cut record that are still to come
  let room = 4 * MAX_BATCH;

  function takeRecord(): boolean {
    const length = readVarint(pending, 0);
    const end = length ? length.end + length.value : 0;
    const kept = length ? Math.min(end, length.end + MAX_HEAD) : pending.length + 1;
    missing = kept - pending.length;
    if (!length || missing > 0) return false;
    const body = pending.subarray(length.end, kept);
    const isCut = kept < end || body.length > room;
    const record = isCut ? cutRecord(body, room) : Buffer.from(pending.subarray(0, end));
    room = Math.max(0, room - record.length);
    records.push(record);
    skipping = Math.max(0, end - pending.length);
    pending = pending.subarray(Math.min(end, pending.length));
    return true;
  }

  return {
    records,
    push(chunk: Buffer): void {
      const skipped = Math.min(skipping, chunk.length);
      skipping -= skipped;
      later.push(chunk.subarray(skipped));
      missing -= chunk.length - skipped;
      if (missing > 0) return;
      pending = Buffer.concat([pending, ...later.splice(0)]);
      while (skipping === 0 && takeRecord());
    },
  };
}

/** A record at the same offset, without key and headers, and with the part of its value that is kept. */
function cutRecord(body: Buffer, room: number): Buffer {
  const time = readVarint(body, 1);
  const offset = time && readVarint(body, time.end);
  const key = offset && readVarint(body, offset.end);
  const value = key && readVarint(body, key.end + Math.max(0, key.value));
  const start = value?.end ?? body.length;
  const end = start + Math.min(Math.max(0, value?.value ?? 0), MAX_VALUE + 1, room);
  const kept = body.subarray(start, end);
  const cut = [body.subarray(0, offset?.end), varint(-1), varint(kept.length), kept, varint(0)];
  return Buffer.concat([varint(Buffer.concat(cut).length), ...cut]);
}

/** Reads a zigzag varint and returns its value and end, or undefined if it is incomplete. */
function readVarint(bytes: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0n;
  for (let index = at; index < bytes.length && index < at + 10; index++) {
    const byte = bytes[index] ?? 0;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (index - at));
    if (byte < 0x80) return { value: Number((value >> 1n) ^ -(value & 1n)), end: index + 1 };
  }
  return undefined;
}

/** A number as a zigzag varint. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
