declare module "kafkajs/src/protocol/decoder.js" {
  /** Reads the parts of a Kafka response in sequence. */
  export default class Decoder {
    constructor(bytes: Buffer);
    readVarInt(): number;
    readVarIntArray(read: (decoder: Decoder) => unknown): unknown[];
  }
}
declare module "kafkajs/src/protocol/recordBatch/record/v0/decoder.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";
  export default function readRecord(
    decoder: Decoder,
    batch: { firstOffset: string; firstTimestamp: string },
  ): {
    value: Buffer | null;
    headers: Record<string, Buffer | Buffer[] | null>;
  };
}
