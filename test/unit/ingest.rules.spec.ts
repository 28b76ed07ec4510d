import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ConsumedEventType } from "../../services/ingest/ingest.contract.ts";
import { readEvent, readMessage } from "../../services/ingest/ingest.rules.ts";
import type { CounterChanges } from "../../services/stats/stats.contract.ts";
import {
  created,
  DATA,
  dead,
  envelope,
  older,
  read,
  TYPES,
  topicOf,
  userId,
} from "../helpers/consumed-events.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe.each(TYPES)("%s", (type) => {
  test("is read from both envelopes with the same result", () => {
    expect(read(type, older(type))).toEqual(read(type, envelope(type)));
    expect(read(type, envelope(type))).toMatchObject({
      key: `${topicOf(type)}:evt-1`,
      topic: topicOf(type),
      userId,
      eventType: type,
    });
  });

  test("has a key of its type and subject if it has no id", () => {
    const subject = topicOf(type) === "media-events" ? "file-1" : "int-1";
    for (const eventId of [undefined, null, ""])
      for (const form of [envelope, older])
        expect(read(type, form(type, { eventId })).key).toBe(`${topicOf(type)}:${type}:${subject}`);
  });

  test("is skipped on another topic", () => {
    const other = topicOf(type) === "media-events" ? "interview-events" : "media-events";
    expect(readMessage(other, Buffer.from(JSON.stringify(envelope(type))))).toEqual({ kind: "skip" });
  });
});

/** Contract 7: what an event adds to the counters. */
const EFFECTS: Record<ConsumedEventType, [data: object, add: CounterChanges]> = {
  "interview.created": [{ interviewId: 1 }, { interviewsCreated: 1, interviewsActive: 1 }],
  "interview.completed": [
    { interviewId: 1, completedCandidates: 7 },
    { interviewsActive: -1, candidatesTotal: 7 },
  ],
  "media.uploaded": [{ fileId: 1, fileSize: 5 }, { storageUsed: 5 }],
  "media.deleted": [{ fileId: 1, fileSize: 5 }, { storageUsed: -5 }],
};

test.each(Object.entries(EFFECTS))("%s changes the counters as contract 7 declares", (type, [data, add]) => {
  const event = type as ConsumedEventType;
  expect(read(event, envelope(event, { data })).add).toEqual(add);
});

test("a dead letter names the invalid field", () => {
  const data = { fileId: "f", fileSize: -1 };
  expect(readEvent("media-events", envelope("media.uploaded", { data }))).toEqual({
    kind: "dead",
    code: "VALIDATION_ERROR",
    message: expect.stringContaining("fileSize"),
  });
});

test("fields that are not declared are ignored", () => {
  const data = { ...DATA["media.uploaded"], mimeType: "image/png", tags: [null] };
  expect(read("media.uploaded", envelope("media.uploaded", { data })).add).toEqual({ storageUsed: 1024 });
});

describe("an event's key", () => {
  test("contains an id of any form, and a number as text", () => {
    expect(created({ eventId: "evt-Ω 5" }).key).toBe("interview-events:evt-Ω 5");
    expect(created({ eventId: 42 }).key).toBe("interview-events:42");
    expect(created({ eventId: 0 }).key).toBe("interview-events:0");
    expect(created({ eventId: undefined, data: { interviewId: 7 } }).key).toBe(
      "interview-events:interview.created:7",
    );
  });

  test("never has more than 255 characters, and differs if the ids differ", () => {
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

  test("contains the SHA-256 of an id that is too long", () => {
    const eventId = "e".repeat(300);
    expect(created({ eventId }).key).toBe(`interview-events:${sha256(eventId)}`);
    const subject = `interview.created:${"i".repeat(300)}`;
    const data = { interviewId: "i".repeat(300) };
    expect(created({ eventId: undefined, data }).key).toBe(`interview-events:${sha256(subject)}`);
  });

  test.each([true, {}, ["evt"], "evt\0", "evt\ud800"])(
    "can't be made from the id %j: the event becomes a dead letter",
    (eventId) => {
      const message = envelope("interview.created", { eventId, data: {} });
      expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
    },
  );

  test("can't be made without an id and a subject: the event becomes a dead letter", () => {
    const message = envelope("interview.created", { eventId: undefined, data: {} });
    expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
  });
});

describe("a message becomes a dead letter at once", () => {
  test.each(["", "{", "undefined", "{'a':1}", '{"a":1} x'])("with INVALID_JSON: %j", (text) => {
    expect(readMessage("interview-events", Buffer.from(text))).toEqual(dead("INVALID_JSON"));
  });

  test.each(["null", "5", '"text"', "[]", "true"])("if it is not a JSON object: %s", (text) => {
    const reading = readMessage("interview-events", Buffer.from(text));
    expect(reading).toMatchObject({
      kind: "dead",
      code: expect.stringMatching(/^(INVALID_JSON|VALIDATION_ERROR)$/),
    });
  });

  test.each([undefined, null, "", 5, {}])("with VALIDATION_ERROR if its eventType is %j", (eventType) => {
    const message = { ...envelope("interview.created"), eventType };
    expect(readEvent("interview-events", message)).toEqual(dead("VALIDATION_ERROR"));
  });

  test.each([undefined, null, "", "user-1", 5, `${userId}0`, {}])(
    "with VALIDATION_ERROR if its userId is %j",
    (id) => {
      for (const type of TYPES) {
        expect(readEvent(topicOf(type), envelope(type, { userId: id }))).toEqual(dead("VALIDATION_ERROR"));
        const payload = { ...DATA[type], userId: id };
        expect(readEvent(topicOf(type), older(type, { payload }))).toEqual(dead("VALIDATION_ERROR"));
      }
    },
  );

  test.each([undefined, null, -1, 1.5, 2 ** 53, "5", true, {}])(
    "with VALIDATION_ERROR if an amount is %j",
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

  test.each([undefined, null, "text", 5, []])("with VALIDATION_ERROR if its data is %j", (data) => {
    expect(readEvent("media-events", envelope("media.uploaded", { data }))).toEqual(dead("VALIDATION_ERROR"));
  });
});

test("an amount is any integer from 0 to 2^53 - 1", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (fileSize) => {
      const data = { fileId: "f", fileSize };
      expect(read("media.uploaded", envelope("media.uploaded", { data })).add).toEqual({
        storageUsed: fileSize,
      });
    }),
  );
});

test("a userId in upper case is converted to lower case", () => {
  expect(created({ userId: userId.toUpperCase() }).userId).toBe(userId);
});

test("the event's id and correlation id are passed on to the events that it causes", () => {
  expect(created({ metadata: { correlationId: "trace-1" } })).toMatchObject({
    causationId: "evt-1",
    correlationId: "trace-1",
  });
  const { causationId, correlationId } = created({ eventId: undefined });
  expect([causationId, correlationId]).toEqual([undefined, undefined]);
});

describe("a message is skipped", () => {
  test("if it is a tombstone", () => expect(readMessage("media-events", null)).toEqual({ kind: "skip" }));

  test.each(["interview.started", "user.created", "toString", "__proto__", "constructor"])(
    "if its type is not consumed: %s",
    (eventType) => {
      const text = JSON.stringify({ eventId: "evt-1", eventType, userId: "anybody", data: null });
      expect(readMessage("interview-events", Buffer.from(text))).toEqual({ kind: "skip" });
    },
  );
});

test("the parser never throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.anything(), (text, value) => {
      expect(readMessage("media-events", Buffer.from(text)).kind).toMatch(/^(dead|skip|event)$/);
      expect(readEvent("media-events", value).kind).toMatch(/^(dead|skip|event)$/);
      for (const type of TYPES) readEvent(topicOf(type), { ...envelope(type), data: value, metadata: value });
    }),
  );
});
