import { expect, test } from "@jest/globals";
import { toRecord } from "../../services/ingest/dead-letter.ts";

const published = (event: Buffer) =>
  toRecord(
    {
      key: "media-events:1",
      topic: "media-events",
      partition: 0,
      offset: "1",
      event,
      code: "INVALID_JSON",
      message: "The message is not JSON",
      retryCount: 0,
    },
    new Date(),
  ).value;

test.each([
  ["zeros", Buffer.alloc(1_000_000)],
  ["bytes that are no UTF-8", Buffer.alloc(1_000_000, 0xff)],
  ["numbers that grow when they are written again", Buffer.from(`[${"1e20,".repeat(26_000)}1]`)],
])("A dead letter of %s is one that Kafka takes", (_what, event) => {
  expect(Buffer.byteLength(published(event))).toBeLessThan(1_000_000);
});

test("A message that is too long is cut, and says so", () => {
  expect(JSON.parse(published(Buffer.alloc(200_000, "x")))).toMatchObject({
    originalEvent: "x".repeat(128 * 1024),
    truncated: true,
  });
});
