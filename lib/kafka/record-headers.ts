/** The maximum number of headers that are read per record; our records have one. */
const MAX_HEADERS = 100;

/**
 * Limits the headers of a record that kafkajs reads. It copies all headers once for each of them, so that a record of
 * 100 kB with 15,000 headers blocked the thread for minutes (measured).
 */
export async function limitHeaders(): Promise<void> {
  const { default: Decoder } = await import("kafkajs/src/protocol/decoder.js");
  // kafkajs (2.2) reads only headers with this method
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
