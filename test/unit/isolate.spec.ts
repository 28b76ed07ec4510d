import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { inParts, isolate } from "../../services/ingest/isolate.ts";

type Item = { id: number; bad: boolean };
const items = fc
  .array(fc.boolean(), { maxLength: 200 })
  .map((flags) => flags.map((bad, id): Item => ({ id, bad })));

test("isolate: every valid item is processed and every bad one is set aside once, in a limited number of attempts", async () => {
  await fc.assert(
    fc.asyncProperty(items, async (all) => {
      const [done, aside] = [new Set<number>(), [] as number[]];
      let attempts = 0;
      const work = async (some: Item[]) => {
        attempts++;
        if (some.some(({ bad }) => bad)) throw new RangeError("cannot be processed");
        for (const { id } of some) done.add(id);
      };
      await isolate(all, work, async ({ id }) => void aside.push(id));
      const bad = all.filter((item) => item.bad).map(({ id }) => id);
      expect(aside).toEqual(bad);
      expect([...done].sort((a, b) => a - b)).toEqual(all.filter((item) => !item.bad).map(({ id }) => id));
      expect(attempts).toBeLessThanOrEqual(1 + bad.length * 2 * Math.ceil(Math.log2(all.length + 1)));
    }),
  );
});

test("isolate: if a dependency is unavailable, nothing is set aside and the error is thrown for a retry", async () => {
  const aside: number[] = [];
  const work = async () => {
    throw new DependencyUnavailable("database");
  };
  const done = isolate([1, 2, 3], work, async (item) => void aside.push(item));
  await expect(done).rejects.toMatchObject({ type: "DEPENDENCY_UNAVAILABLE" });
  expect(aside).toEqual([]);
});

test("inParts: keeps order and items, and every part of several items is within the limits", () => {
  const sizes = fc.array(fc.nat(20), { maxLength: 60 });
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 30 }),
      (all, count, bytes) => {
        const parts = inParts(all, (size) => size, { count, bytes });
        expect(parts.flat()).toEqual(all);
        for (const part of parts) {
          expect(part.length).toBeGreaterThan(0);
          expect(part.length).toBeLessThanOrEqual(count);
          if (part.length > 1) expect(part.reduce((a, b) => a + b)).toBeLessThanOrEqual(bytes);
        }
      },
    ),
  );
});
