declare module "kafkajs/src/protocol/decoder.js" {
  /** Reads the parts of a response of Kafka one after the other. */
  export default class Decoder {
    constructor(bytes: Buffer);
    readonly buffer: Buffer;
    readonly offset: number;
    readInt32(): number;
    readVarInt(): number;
    readVarIntArray(read: (decoder: Decoder) => unknown): unknown[];
    canReadBytes(count: number): boolean;
    /** A decoder for the next bytes, which stay to be read here too. */
    slice(count: number): Decoder;
    forward(count: number): void;
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
declare module "kafkajs/src/protocol/recordBatch/v0/decoder.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";
  export type FetchedRecord = {
    offset: string;
    key: Buffer | null;
    value: Buffer | null;
    headers: object;
    isControlRecord: boolean;
    batchContext: { inTransaction: boolean };
  };
  /** Reads one batch of record format 2. */
  export type BatchReader = (decoder: Decoder) => Promise<{ records: FetchedRecord[] }>;
  const readBatch: BatchReader;
  export default readBatch;
}
declare module "kafkajs/src/protocol/messageSet/decoder.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";
  import type { FetchedRecord } from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
  /** Reads messages of the record formats 0 and 1. */
  export default function readMessages(decoder: Decoder, size: number): Promise<FetchedRecord[]>;
}
declare module "kafkajs/src/protocol/requests/fetch/v11/response.js" {
  import type { FetchedRecord } from "kafkajs/src/protocol/recordBatch/v0/decoder.js";

  const response: {
    decode(bytes: Buffer): Promise<{ responses: { partitions: { messages: FetchedRecord[] }[] }[] }>;
  };
  export default response;
}
