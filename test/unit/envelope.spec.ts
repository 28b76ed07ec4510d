import { expect, test } from "@jest/globals";
import { toEnvelope } from "../../lib/contract/events.ts";
import type { DomainEvent } from "../../services/contracts.ts";

const event: DomainEvent = {
  eventType: "user.avatar_deleted",
  userId: crypto.randomUUID(),
  data: { fileSize: 1 },
};
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

test.each(["x", "their-trace", "~".repeat(128)])("the correlation id %j is kept", (correlationId) => {
  expect(toEnvelope(event, { correlationId, traceparent }).metadata.correlationId).toBe(correlationId);
});

test.each(["", "a b", "x".repeat(129), "x".repeat(1_000_000), "caf\u00e9", "a\nb", "\0"])(
  "a correlation id is replaced by the trace id unless it has 1 to 128 visible ASCII characters",
  (correlationId) => {
    expect(toEnvelope(event, { correlationId, traceparent }).metadata.correlationId).toBe(TRACE);
    expect(toEnvelope(event, { correlationId }).metadata.correlationId).toMatch(/^[0-9a-f]{32}$/);
  },
);

test("a causation id is kept up to 255 characters, and omitted if it is longer", () => {
  const metadataOf = (causationId?: string) =>
    toEnvelope(event, { correlationId: "c", causationId }).metadata;
  expect(metadataOf("evt-1").causationId).toBe("evt-1");
  expect(metadataOf("e".repeat(255)).causationId).toHaveLength(255);
  expect(metadataOf("e".repeat(256))).not.toHaveProperty("causationId");
  expect(metadataOf(undefined)).not.toHaveProperty("causationId");
});
