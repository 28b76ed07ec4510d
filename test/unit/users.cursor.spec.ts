import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { fromCursor, type Position, toCursor } from "../../services/users/users.cursor.ts";

const texts = fc.record({
  sort: fc.constantFrom("email", "-email", "fullName", "-fullName"),
  value: fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
  id: fc.uuid(),
});
const times = fc.record({
  sort: fc.constantFrom("createdAt", "-createdAt", "updatedAt", "-updatedAt"),
  value: fc
    .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
    .map((date) => date.toISOString()),
  id: fc.uuid(),
});
const positions: fc.Arbitrary<Position> = fc.oneof(texts, times);

const refused = expect.objectContaining({
  type: "VALIDATION_ERROR",
  code: 400,
  data: [{ field: "cursor", message: expect.any(String) }],
});
function outcomeOf(cursor: string, sort: string): unknown {
  try {
    return fromCursor(cursor, sort);
  } catch (error) {
    return error;
  }
}
const encode = (content: unknown) => Buffer.from(JSON.stringify(content)).toString("base64url");
const ID = crypto.randomUUID();

test("any position is read back unchanged from its cursor", () => {
  fc.assert(
    fc.property(positions, (position) => {
      const cursor = toCursor(position);
      expect(fromCursor(cursor, position.sort)).toEqual(position);
      expect(cursor).toMatch(/^[\w-]+$/); // needs no percent-encoding in a URL
    }),
  );
});

test("a modified cursor is refused, unless it is a well-formed position of the same sort", () => {
  const characters = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.string({ maxLength: 2 }),
  );
  fc.assert(
    fc.property(positions, fc.nat(), characters, (position, n, character) => {
      const cursor = toCursor(position);
      const at = n % cursor.length;
      const changed = cursor.slice(0, at) + character + cursor.slice(at + 1);
      fc.pre(changed !== cursor);
      const outcome = outcomeOf(changed, position.sort);
      if (outcome instanceof Error) expect(outcome).toEqual(refused);
      else expect(toCursor(outcome as Position)).toBe(changed);
    }),
    { numRuns: 300 },
  );
});

test("any other text or JSON is refused as a cursor, never with an unexpected error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json().map(encode)), (cursor) => {
      expect(outcomeOf(cursor, "email")).toEqual(refused);
    }),
  );
});

test.each(["", ".", "..", "a.b", "null", "W10.", "%00"])("%j is refused as a cursor", (cursor) => {
  expect(outcomeOf(cursor, "email")).toEqual(refused);
});

test("a cursor with extra characters before or after it is refused", () => {
  const cursor = toCursor({ sort: "email", value: "a@b.co", id: ID });
  for (const changed of [`${cursor}A`, `A${cursor}`, `${cursor}=`, ` ${cursor}`, `${cursor}.`, `${cursor}é`])
    expect(outcomeOf(changed, "email")).toEqual(refused);
});

test("a cursor of another sort is refused", () => {
  fc.assert(
    fc.property(positions, (position) => {
      const other = position.sort === "updatedAt" ? "email" : "updatedAt";
      expect(outcomeOf(toCursor(position), other)).toEqual(refused);
    }),
  );
});

test.each([
  ["a number as value", ["email", 1, ID], "email"],
  ["a list as value", ["email", ["a"], ID], "email"],
  ["NUL in the value", ["email", "a\0", ID], "email"],
  ["a lone surrogate in the value", ["email", "\ud800", ID], "email"],
  ["an id that is not a UUID", ["email", "a", "1' OR '1'='1"], "email"],
  ["a fourth part", ["email", "a", ID, 1], "email"],
  ["a text as time", ["createdAt", "yesterday", ID], "createdAt"],
  ["'infinity' as time", ["createdAt", "infinity", ID], "createdAt"],
  ["a time in another form", ["createdAt", "2020-01-01", ID], "createdAt"],
  ["the year 0", ["createdAt", "0000-01-01T00:00:00.000Z", ID], "createdAt"],
  ["a year that PostgreSQL cannot read", ["createdAt", "+275760-09-13T00:00:00.000Z", ID], "createdAt"],
])("a cursor with %s is refused", (_, content, sort) => {
  expect(outcomeOf(encode(content), sort)).toEqual(refused);
});
