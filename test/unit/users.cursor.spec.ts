import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { fromCursor, type Position, toCursor } from "../../services/users/users.cursor.ts";

const SECRET = "a secret of the test";
const positions: fc.Arbitrary<Position> = fc.record({
  sort: fc.constantFrom("createdAt", "-createdAt", "email", "-fullName"),
  value: fc.string({ unit: "grapheme" }),
  id: fc.uuid(),
});

const refused = expect.objectContaining({
  type: "VALIDATION_ERROR",
  code: 400,
  data: [{ field: "cursor", message: expect.any(String) }],
});
function expectRefused(cursor: string, sort: string, secret = SECRET): void {
  let thrown: unknown;
  try {
    fromCursor(cursor, sort, secret);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toEqual(refused);
}

test("a cursor is read back as the position it was made of, whatever the value", () => {
  fc.assert(
    fc.property(positions, (position) => {
      const cursor = toCursor(position, SECRET);
      expect(fromCursor(cursor, position.sort, SECRET)).toEqual(position);
      expect(cursor).toMatch(/^[\w.-]+$/); // fits into a query as it is
    }),
  );
});

test("any change of any character is refused", () => {
  const characters = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.string({ maxLength: 2 }),
  );
  fc.assert(
    fc.property(positions, fc.nat(), characters, (position, n, character) => {
      const cursor = toCursor(position, SECRET);
      const at = n % cursor.length;
      const changed = cursor.slice(0, at) + character + cursor.slice(at + 1);
      fc.pre(changed !== cursor);
      expectRefused(changed, position.sort);
    }),
    { numRuns: 1000 },
  );
});

test("a letter of another alphabet in the signature is refused too", () => {
  const cursor = toCursor({ sort: "email", value: "a@b.co", id: crypto.randomUUID() }, SECRET);
  expectRefused(`${cursor.slice(0, -1)}é`, "email");
});

test.each(["", ".", "..", "a.b", "null", "W10.", "%00"])("%j is no cursor of ours", (cursor) => {
  expectRefused(cursor, "email");
});

test("a cursor with something before or after it is refused", () => {
  const cursor = toCursor({ sort: "email", value: "a@b.co", id: crypto.randomUUID() }, SECRET);
  for (const changed of [`${cursor}A`, `A${cursor}`, `${cursor}=`, ` ${cursor}`, `${cursor}.`, `${cursor}.A`])
    expectRefused(changed, "email");
});

test("a cursor of another sort, or signed with another secret, is refused", () => {
  fc.assert(
    fc.property(positions, (position) => {
      const cursor = toCursor(position, SECRET);
      expectRefused(cursor, "updatedAt");
      expectRefused(cursor, position.sort, "another secret");
    }),
  );
});
