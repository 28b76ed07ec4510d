import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { UserRow } from "../../models/user.ts";
import { formatBytes, presentQuotas, presentStats } from "../../services/stats/stats.presenter.ts";
import type { Usage } from "../../services/stats/stats.store.ts";

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

const parse = (text: string) => {
  const [number = "", unit = ""] = text.split(" ");
  return { number: Number(number), decimals: number.split(".")[1]?.length ?? 0, unit: UNITS.indexOf(unit) };
};

describe("formatted bytes", () => {
  test.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1 KB"],
    [512 * 1024, "512 KB"],
    [1536, "1.5 KB"],
    [1024 ** 2 - 1, "1 MB"],
    [1024 ** 2, "1 MB"],
    [1_610_612_736, "1.5 GB"],
    [5_368_709_120, "5 GB"],
    [1024 ** 4, "1 TB"],
    [1024 ** 5, "1 PB"],
    [Number.MAX_SAFE_INTEGER, "8 PB"],
  ])("%d is %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test("use the next unit from 1024 on: the number is below 1024, and at least 1 in units above B", () => {
    const edges = fc
      .tuple(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: -200, max: 200 }),
        fc.integer({ min: 0, max: 120 }),
      )
      .map(([power, near, share]) => Math.round(1024 ** power * (1 - share / 100_000)) + near);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.maxSafeNat(),
          edges.filter((n) => n >= 0),
        ),
        (bytes) => {
          const { number, decimals, unit } = parse(formatBytes(bytes));
          expect(unit).toBeGreaterThanOrEqual(0);
          expect(decimals).toBeLessThanOrEqual(1);
          if (unit < UNITS.length - 1) expect(number).toBeLessThan(1024);
          if (unit > 0) expect(number).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });

  test("have at most one decimal, correctly rounded", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        const { number, unit } = parse(formatBytes(bytes));
        expect(Math.abs(number - bytes / 1024 ** unit)).toBeLessThanOrEqual(0.0500001);
      }),
    );
  });

  test("never decrease as the bytes increase", () => {
    const size = (text: string) => parse(text).number * 1024 ** parse(text).unit;
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        expect(size(formatBytes(less))).toBeLessThanOrEqual(size(formatBytes(more)));
      }),
    );
  });
});

const row = (fields: Partial<UserRow & Usage>) =>
  ({
    interviewsCreated: 0,
    interviewsActive: 0,
    candidatesTotal: 0,
    storageUsed: 0,
    maxInterviews: 10,
    maxStorage: 100,
    reservedInterviews: 0,
    reservedStorage: 0,
    ...fields,
  }) as UserRow & Usage;

test("counters below 0 are shown as 0", () => {
  const below = row({ interviewsCreated: -1, interviewsActive: -2, candidatesTotal: -3, storageUsed: -4 });
  expect(presentStats(below)).toEqual({
    interviewsCreated: 0,
    interviewsActive: 0,
    candidatesTotal: 0,
    storageUsed: 0,
    storageUsedFormatted: "0 B",
  });
  expect(presentQuotas(below)).toEqual({
    interviews: { used: 0, limit: 10, reserved: 0, remaining: 10, exceeded: false },
    storage: { used: 0, limit: 100, reserved: 0, remaining: 100, exceeded: false },
  });
});

test("a quota is exceeded if used >= limit, and then its remaining is 0", () => {
  expect(presentQuotas(row({ interviewsCreated: 10, storageUsed: 150 }))).toEqual({
    interviews: { used: 10, limit: 10, reserved: 0, remaining: 0, exceeded: true },
    storage: { used: 150, limit: 100, reserved: 0, remaining: 0, exceeded: true },
  });
});

test("remaining is the limit minus used and reserved, and never below 0", () => {
  expect(
    presentQuotas(row({ interviewsCreated: 3, reservedInterviews: 4, storageUsed: 90, reservedStorage: 20 })),
  ).toEqual({
    interviews: { used: 3, limit: 10, reserved: 4, remaining: 3, exceeded: false },
    storage: { used: 90, limit: 100, reserved: 20, remaining: 0, exceeded: false },
  });
});

test("a limit of null means unlimited: it is never exceeded, and remaining is null", () => {
  const unlimited = row({ interviewsCreated: 3, maxInterviews: null, reservedStorage: 5, maxStorage: null });
  expect(presentQuotas(unlimited)).toEqual({
    interviews: { used: 3, limit: null, reserved: 0, remaining: null, exceeded: false },
    storage: { used: 0, limit: null, reserved: 5, remaining: null, exceeded: false },
  });
});
