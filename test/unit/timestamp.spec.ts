import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { toTimestamp } from "../../lib/runtime/timestamp.ts";

const NOW = fc.date({ min: new Date(10_000), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true });
const STEP = fc.integer({ min: -2_500, max: 2_500 }); // ms

test("a line's timestamp is ISO 8601 in UTC to the millisecond, whichever line came before", () => {
  fc.assert(
    fc.property(NOW, fc.array(STEP), (now, steps) => {
      const times = steps.map((step) => now.getTime() + step);
      expect(times.map(toTimestamp)).toEqual(times.map((ms) => new Date(ms).toISOString()));
    }),
  );
});
