/** Headers of a record that are read; of ours, a record has one. */
const MAX_HEADERS = 100;

/**
 * Limits the headers of a record that kafkajs reads: it copies all headers once for each of them, so that a record of
 * 100 kB with 15,000 headers blocked the thread for minutes (measured).
 */
export async function limitHeaders(): Promise<void> {
  const { default: Decoder } = await import("kafkajs/src/protocol/decoder.js");
  // kafkajs (2.2) reads nothing but headers with it
  Decoder.prototype.readVarIntArray = function readFirst(read) {
    const length = this.readVarInt();
    const first: unknown[] = [];
    for (let index = 0; index < length; index++) {
      const item = read(this);
      if (index < MAX_HEADERS) first.push(item);
    }
    return first;
  };
}
