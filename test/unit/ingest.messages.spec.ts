import { describe, expect, test } from "@jest/globals";
import type { ConsumedEventType } from "../../services/ingest/ingest.contract.ts";
import { nativeMessage, readMessage } from "../../services/ingest/ingest.rules.ts";
import { DATA, dead, envelope, older, TYPES, topicOf, userId } from "../helpers/consumed-events.ts";

/** The bytes of a message, from Kafka or from a native event. */

describe("numbers above 2^53 as ids", () => {
  const text = (fields: string, data: string) =>
    Buffer.from(`{"eventType":"media.uploaded","userId":"${userId}",${fields}"data":{${data}}}`);
  const keyOf = (value: Buffer) => {
    const reading = readMessage("media-events", value);
    return reading.kind === "event" ? reading.event.key : reading;
  };

  test("keep all digits", () => {
    const data = '"fileId":"f","fileSize":1';
    expect(keyOf(text('"eventId":7259876543210987653,', data))).toBe("media-events:7259876543210987653");
    expect(keyOf(text('"eventId":7259876543210987654,', data))).toBe("media-events:7259876543210987654");
    expect(keyOf(text("", '"fileId":7259876543210987653,"fileSize":1'))).toBe(
      "media-events:media.uploaded:7259876543210987653",
    );
  });

  test("are refused as amounts", () => {
    const reading = readMessage("media-events", text("", '"fileId":1,"fileSize":9007199254740993'));
    expect(reading).toEqual(dead("VALIDATION_ERROR"));
  });

  test("are read beside data nested 20,000 levels deep", () => {
    const context = `"context":${"[".repeat(20_000)}${"]".repeat(20_000)},"eventId":7259876543210987653,`;
    expect(readMessage("media-events", text(context, '"fileId":"f","fileSize":1')).kind).toBe("event");
  });
});

describe("the bytes of a message", () => {
  const event = JSON.stringify(envelope("interview.created"));

  test("may begin with a byte order mark", () => {
    const value = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(event)]);
    expect(readMessage("interview-events", value).kind).toBe("event");
  });

  test("become a dead letter if they are not valid UTF-8", () => {
    const value = Buffer.from(event.replace("evt-1", "evt-\u00ff"), "latin1");
    expect(readMessage("interview-events", value)).toEqual(dead("INVALID_JSON"));
  });

  test("become a dead letter if they are more than 1 MiB", () => {
    const value = Buffer.from(
      JSON.stringify({ ...envelope("interview.created"), pad: "x".repeat(1024 * 1024) }),
    );
    expect(readMessage("interview-events", value)).toEqual(dead("VALIDATION_ERROR"));
  });
});

describe("an event that is emitted natively", () => {
  const native = (type: ConsumedEventType, params: unknown) =>
    readMessage(topicOf(type), nativeMessage(type, params));
  const keyOf = (reading: ReturnType<typeof native>) =>
    reading.kind === "event" ? reading.event.key : reading;

  test.each(TYPES)(
    "is read from the envelope, with or without its eventType, and from the bare data: %s",
    (type) => {
      const event = { kind: "event", event: { userId, eventType: type, key: `${topicOf(type)}:evt-1` } };
      expect(native(type, envelope(type))).toMatchObject(event);
      expect(native(type, older(type))).toMatchObject(event);
      expect(native(type, envelope(type, { eventType: undefined }))).toMatchObject(event);
      expect(native(type, { userId, eventId: "evt-1", ...DATA[type] })).toMatchObject(event);
    },
  );

  test("has a key of its type and subject if it is bare data without an id", () => {
    const reading = native("media.uploaded", { userId, fileId: "f", fileSize: 1 });
    expect(keyOf(reading)).toBe("media-events:media.uploaded:f");
  });

  test("may have a BigInt as an id or an amount", () => {
    const data = { fileId: 7259876543210987653n, fileSize: 5n };
    expect(native("media.uploaded", { userId, ...data })).toMatchObject({
      kind: "event",
      event: { key: "media-events:media.uploaded:7259876543210987653", add: { storageUsed: 5 } },
    });
  });

  test("becomes a dead letter if it cannot be written as JSON", () => {
    const circular: Record<string, unknown> = { userId };
    circular.self = circular;
    for (const params of [circular, undefined, () => 5])
      expect(native("media.uploaded", params)).toEqual(dead("INVALID_JSON"));
  });
});
