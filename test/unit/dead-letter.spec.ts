import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { isStorable } from "../../lib/contract/fields.ts";
import { givenUp, toDeadLetterRecord } from "../../services/ingest/dead-letter.ts";

const published = (event: Buffer) =>
  toDeadLetterRecord(
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
  ["bytes that are not UTF-8", Buffer.alloc(1_000_000, 0xff)],
  ["numbers that become longer when they are serialized again", Buffer.from(`[${"1e20,".repeat(26_000)}1]`)],
])("A dead letter of %s is small enough for Kafka", (_what, event) => {
  expect(Buffer.byteLength(published(event))).toBeLessThan(1_000_000);
});

test("A message that is too long is cut, and marked as truncated", () => {
  expect(JSON.parse(published(Buffer.alloc(200_000, "x")))).toMatchObject({
    originalEvent: "x".repeat(128 * 1024),
    truncated: true,
  });
});

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

test.each([
  { what: "JSON nested 20,000 levels deep", text: deep(20_000) },
  { what: "JSON nested 5,000 levels deep in an object", text: `{"data":${deep(5_000)}}` },
  { what: "text that is not JSON", text: "no JSON \0" },
])("A dead letter of $what is published as text", ({ text }) => {
  expect(JSON.parse(published(Buffer.from(text)))).toMatchObject({ originalEvent: text });
});

test("A dead letter of JSON is published as JSON, with all digits of its numbers", () => {
  const text = '{"eventId": 7259876543210987654, "data": {"fileSize": -1}}';
  expect(published(Buffer.from(text))).toContain(text);
  expect(JSON.parse(published(Buffer.from(text)))).toMatchObject({
    originalEvent: { data: { fileSize: -1 } },
  });
});

test("The record of a dead letter is valid JSON for any event", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.json(), fc.string({ unit: "binary" })),
      fc.string({ unit: "binary" }),
      (text, reason) => {
        const value = { topic: "t", partition: 0, offset: "1", value: Buffer.from(text) };
        const letter = givenUp(value, "PROCESSING_ERROR", reason);
        expect(isStorable(letter.message)).toBe(true);
        expect(JSON.parse(toDeadLetterRecord(letter, new Date()).value)).toMatchObject({
          error: { code: "PROCESSING_ERROR" },
        });
      },
    ),
  );
});

test("A dead letter keeps at most 1 MiB of its event", () => {
  const message = { topic: "t", partition: 0, offset: "1", value: Buffer.alloc(3_000_000, "x") };
  expect(givenUp(message, "VALIDATION_ERROR", "too large").event).toHaveLength(1024 * 1024);
});
