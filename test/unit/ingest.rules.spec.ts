import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ConsumedEventType, CountedEvent } from "../../lib/contract/contracts.ts";
import { CONSUMED } from "../../lib/contract/events.ts";
import { readEvent, readMessage } from "../../services/ingest/ingest.rules.ts";

const userId = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const DATA = {
  "interview.created": { interviewId: "int-1" },
  "interview.completed": { interviewId: "int-1", completedCandidates: 3 },
  "media.uploaded": { fileId: "file-1", fileSize: 1024 },
  "media.deleted": { fileId: "file-1", fileSize: 1024 },
};
const TYPES = Object.keys(DATA) as ConsumedEventType[];
const topicOf = (type: ConsumedEventType) => CONSUMED[type].topic;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const envelope = (type: ConsumedEventType, more: object = {}) => ({
  eventId: "evt-1",
  eventType: type,
  timestamp: "2025-10-06T10:00:00.000Z",
  userId,
  data: DATA[type],
  ...more,
});
const older = (type: ConsumedEventType, more: object = {}) => ({
  eventId: "evt-1",
  eventType: type,
  timestamp: 1_759_744_800_000,
  version: "1.0",
  source: "interview-service",
  payload: { userId, ...DATA[type] },
  ...more,
});

function read(type: ConsumedEventType, message: unknown): CountedEvent {
  const reading = readMessage(topicOf(type), JSON.stringify(message));
  if (reading.kind !== "event") throw new Error(`No event: ${JSON.stringify(reading)}`);
  return reading.event;
}
const created = (more: object = {}) => read("interview.created", envelope("interview.created", more));

const dead = (code: string) => ({ kind: "dead", code, message: expect.any(String) });

describe.each(TYPES)("%s", (type) => {
  test("is read alike from both envelopes", () => {
    expect(read(type, older(type))).toEqual(read(type, envelope(type)));
    expect(read(type, envelope(type))).toMatchObject({
      key: `${topicOf(type)}:evt-1`,
      topic: topicOf(type),
      userId,
      eventType: type,
    });
  });

  test("without an id is known by its type and what it is about", () => {
    const subject = topicOf(type) === "media-events" ? "file-1" : "int-1";
    for (const eventId of [undefined, null, ""])
      for (const form of [envelope, older])
        expect(read(type, form(type, { eventId })).key).toBe(`${topicOf(type)}:${type}:${subject}`);
  });

  test("on another's topic is skipped, whatever it holds", () => {
    const other = topicOf(type) === "media-events" ? "interview-events" : "media-events";
    expect(readMessage(other, JSON.stringify(envelope(type)))).toEqual({ kind: "skip" });
  });
});

describe("an event's key", () => {
  test("takes an id of any form, and a number as text", () => {
    expect(created({ eventId: "evt-Ω 5" }).key).toBe("interview-events:evt-Ω 5");
    expect(created({ eventId: 42 }).key).toBe("interview-events:42");
    expect(created({ eventId: 0 }).key).toBe("interview-events:0");
    expect(created({ eventId: undefined, data: { interviewId: 7 } }).key).toBe(
      "interview-events:interview.created:7",
    );
  });

  test("never has more than 255 characters, and differs where the ids differ", () => {
    const ids = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 400 })
      .filter((id) => !id.includes("\0"));
    const keyOf = (eventId: string) => created({ eventId }).key;
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        expect([...keyOf(a)].length).toBeLessThanOrEqual(255);
        expect(keyOf(a) === keyOf(b)).toBe(a === b);
        expect(keyOf(a)).toMatch(/^interview-events:/);
      }),
    );
  });

  test("has the SHA-256 in place of an id that is too long", () => {
    const eventId = "e".repeat(300);
    expect(created({ eventId }).key).toBe(`interview-events:${sha256(eventId)}`);
    const subject = `interview.created:${"i".repeat(300)}`;
    const data = { interviewId: "i".repeat(300) };
    expect(created({ eventId: undefined, data }).key).toBe(`interview-events:${sha256(subject)}`);
  });

  test.each([true, {}, ["evt"], "evt\0", "evt\ud800"])("can't be made of %j: a dead letter", (eventId) => {
    const message = envelope("interview.created", { eventId, data: {} });
    expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
  });

  test("is missing where there is neither an id nor what it is about: a dead letter", () => {
    const message = envelope("interview.created", { eventId: undefined, data: {} });
    expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
  });
});

describe("dead-lettered at once", () => {
  test.each(["", "{", "undefined", "{'a':1}", '{"a":1} x'])("as INVALID_JSON: %j", (text) => {
    expect(readMessage("interview-events", text)).toEqual(dead("INVALID_JSON"));
  });

  test.each(["null", "5", '"text"', "[]", "true"])("what is no JSON object: %s", (text) => {
    const reading = readMessage("interview-events", text);
    expect(reading).toMatchObject({
      kind: "dead",
      code: expect.stringMatching(/^(INVALID_JSON|VALIDATION_ERROR)$/),
    });
  });

  test.each([undefined, null, "", 5, {}])("as VALIDATION_ERROR, an eventType of %j", (eventType) => {
    const message = { ...envelope("interview.created"), eventType };
    expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
  });

  test.each([undefined, null, "", "user-1", 5, `${userId}0`, {}])(
    "as VALIDATION_ERROR, a userId of %j",
    (id) => {
      for (const type of TYPES) {
        expect(readEvent(topicOf(type), envelope(type, { userId: id }))).toEqual(dead("VALIDATION_ERROR"));
        const payload = { ...DATA[type], userId: id };
        expect(readEvent(topicOf(type), older(type, { payload }))).toEqual(dead("VALIDATION_ERROR"));
      }
    },
  );

  test.each([undefined, null, -1, 1.5, 2 ** 53, "5", true, {}])(
    "as VALIDATION_ERROR, an amount of %j",
    (amount) => {
      for (const [type, field] of [
        ["interview.completed", "completedCandidates"],
        ["media.uploaded", "fileSize"],
        ["media.deleted", "fileSize"],
      ] as const) {
        const data = { ...DATA[type], [field]: amount };
        expect(readEvent(topicOf(type), envelope(type, { data }))).toEqual(dead("VALIDATION_ERROR"));
      }
    },
  );

  test.each([undefined, null, "text", 5, []])("as VALIDATION_ERROR, data of %j", (data) => {
    expect(readEvent("media-events", envelope("media.uploaded", { data }))).toEqual(dead("VALIDATION_ERROR"));
  });
});

test("an amount is any integer from 0 to 2^53 - 1", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (fileSize) => {
      const data = { fileId: "f", fileSize };
      expect(read("media.uploaded", envelope("media.uploaded", { data })).amount).toBe(fileSize);
    }),
  );
});

test("a userId is known in either case", () => {
  expect(created({ userId: userId.toUpperCase() }).userId).toBe(userId);
});

test("the event's id and correlation are carried to what follows from it", () => {
  expect(created({ metadata: { correlationId: "trace-1" } })).toMatchObject({
    causationId: "evt-1",
    correlationId: "trace-1",
  });
  const { causationId, correlationId } = created({ eventId: undefined });
  expect([causationId, correlationId]).toEqual([undefined, undefined]);
});

describe("skipped", () => {
  test("are tombstones", () => expect(readMessage("media-events", null)).toEqual({ kind: "skip" }));

  test.each(["interview.started", "user.created", "toString", "__proto__", "constructor"])(
    "are types that are not consumed: %s",
    (eventType) => {
      const text = JSON.stringify({ eventId: "evt-1", eventType, userId: "whoever", data: null });
      expect(readMessage("interview-events", text)).toEqual({ kind: "skip" });
    },
  );
});

test("no message whatever makes the reading fail", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.anything(), (text, value) => {
      expect(readMessage("media-events", text).kind).toMatch(/^(dead|skip|event)$/);
      expect(readEvent("media-events", value).kind).toMatch(/^(dead|skip|event)$/);
      for (const type of TYPES) readEvent(topicOf(type), { ...envelope(type), data: value, metadata: value });
    }),
  );
});
