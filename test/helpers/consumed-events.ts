import { expect } from "@jest/globals";
import type { ConsumedEventType } from "../../services/ingest/ingest.contract.ts";
import { CONSUMED } from "../../services/ingest/ingest.contract.ts";
import { readMessage } from "../../services/ingest/ingest.rules.ts";
import type { CountedEvent } from "../../services/stats/stats.contract.ts";

/** Samples of consumed events, in both envelopes. */

export const userId = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
export const DATA = {
  "interview.created": { interviewId: "int-1" },
  "interview.completed": { interviewId: "int-1", completedCandidates: 3 },
  "media.uploaded": { fileId: "file-1", fileSize: 1024 },
  "media.deleted": { fileId: "file-1", fileSize: 1024 },
};
export const TYPES = Object.keys(DATA) as ConsumedEventType[];
export const topicOf = (type: ConsumedEventType) => CONSUMED[type].topic;

export const envelope = (type: ConsumedEventType, more: object = {}) => ({
  eventId: "evt-1",
  eventType: type,
  timestamp: "2025-10-06T10:00:00.000Z",
  userId,
  data: DATA[type],
  ...more,
});
export const older = (type: ConsumedEventType, more: object = {}) => ({
  eventId: "evt-1",
  eventType: type,
  timestamp: 1_759_744_800_000,
  version: "1.0",
  source: "interview-service",
  payload: { userId, ...DATA[type] },
  ...more,
});

export function read(type: ConsumedEventType, message: unknown): CountedEvent {
  const reading = readMessage(topicOf(type), Buffer.from(JSON.stringify(message)));
  if (reading.kind !== "event") throw new Error(`No event: ${JSON.stringify(reading)}`);
  return reading.event;
}
export const created = (more: object = {}) => read("interview.created", envelope("interview.created", more));

export const dead = (code: string) => ({ kind: "dead", code, message: expect.any(String) });
