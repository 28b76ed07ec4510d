import type { Encoding, Finished } from "./collector.types.ts";

/**
 * Jaeger's `Batch` (jaeger.thrift) in Thrift's binary protocol, written by hand: the only package for it,
 * jaeger-client, is archived. A struct is its fields and a stop byte; a field is its type, its number and its value.
 */

const TYPE = { i32: 8, i64: 10, string: 11, struct: 12, list: 15 };

const i32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const i64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt.asIntN(64, value));
  return bytes;
};
const string = (text: string) => Buffer.concat([i32(Buffer.byteLength(text)), Buffer.from(text)]);
const list = (structs: Buffer[]) => Buffer.concat([Buffer.of(TYPE.struct), i32(structs.length), ...structs]);
const struct = (...fields: Buffer[]) => Buffer.concat([...fields, Buffer.of(0)]);
const field = (type: keyof typeof TYPE, number: number, value: Buffer) =>
  Buffer.concat([Buffer.of(TYPE[type], 0, number), value]);

const A_STRING = i32(0);
const toTag = ([key, value]: [string, string]) =>
  struct(field("string", 1, string(key)), field("i32", 2, A_STRING), field("string", 3, string(value)));

const hex = (digits: string) => BigInt(`0x${digits}`);
const microseconds = (ms: number) => BigInt(Math.round(ms * 1000));

function toSpan({ traceId, spanId, parentId = "0", name, kind, start, duration, failed, tags }: Finished) {
  const all = [...tags, ["span.kind", kind] as [string, string]];
  if (failed) all.push(["error", "true"]);
  return struct(
    field("i64", 1, i64(hex(traceId.slice(16)))),
    field("i64", 2, i64(hex(traceId.slice(0, 16)))),
    field("i64", 3, i64(hex(spanId))),
    field("i64", 4, i64(hex(parentId))),
    field("string", 5, string(name)),
    field("i32", 7, i32(1)), // sampled
    field("i64", 8, i64(microseconds(start))),
    field("i64", 9, i64(microseconds(duration))),
    field("list", 10, list(all.map(toTag))),
  );
}

export const encodeJaeger: Encoding = {
  contentType: "application/vnd.apache.thrift.binary",
  encode({ "service.name": service = "", ...tags }, spans) {
    const process = struct(
      field("string", 1, string(service)),
      field("list", 2, list(Object.entries(tags).map(toTag))),
    );
    return struct(field("struct", 1, process), field("list", 2, list(spans.map(toSpan))));
  },
};
