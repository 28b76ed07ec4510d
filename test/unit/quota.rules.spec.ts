import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { percentUsed, quotaEvents } from "../../models/quota.rules.ts";

const safe = fc.maxSafeNat();
const id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/** A user with this use and limit of interviews, and no storage in use. */
const interviews = (used: number, limit: number | null) => ({
  id,
  interviewsCreated: used,
  maxInterviews: limit,
  storageUsed: 0,
  maxStorage: 100,
});
const storage = (used: number, limit: number | null) => ({
  id,
  interviewsCreated: 0,
  maxInterviews: 10,
  storageUsed: used,
  maxStorage: limit,
});

const MARKS = [85, 90, 95, 100];
/** Whether the use is at or above a mark, computed without a division. */
const stands = (used: number, limit: number, mark: number) =>
  BigInt(Math.max(0, used)) * 100n >= BigInt(limit) * BigInt(mark);

describe("the percentage used", () => {
  test("is rounded down exactly, for any two safe integers", () => {
    fc.assert(
      fc.property(safe, fc.maxSafeNat().filter(Boolean), (used, limit) => {
        fc.pre((used / limit) * 100 < Number.MAX_SAFE_INTEGER); // a larger percentage is not a safe integer
        const percent = BigInt(percentUsed(used, limit));
        expect(percent * BigInt(limit) <= BigInt(used) * 100n).toBe(true);
        expect((percent + 1n) * BigInt(limit) > BigInt(used) * 100n).toBe(true);
      }),
    );
  });

  test.each([
    [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, 99],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 100],
    [849, 1000, 84],
    [850, 1000, 85],
    [15, 10, 150],
  ])("of %d out of %d is %d", (used, limit, percent) => {
    expect(percentUsed(used, limit)).toBe(percent);
  });

  test("is 100 if the limit is 0", () => {
    fc.assert(fc.property(safe, (used) => expect(percentUsed(used, 0)).toBe(100)));
  });

  test("is 0 if the use is negative", () => expect(percentUsed(-5, 10)).toBe(0));
});

describe("a quota event is published", () => {
  const uses = fc.integer({ min: -50, max: 250 });
  const limits = fc.integer({ min: 0, max: 200 });

  test("if and only if a change of use or limit reaches a new mark, for the highest mark reached", () => {
    fc.assert(
      fc.property(uses, limits, uses, limits, (usedBefore, limitBefore, used, limit) => {
        const reached = MARKS.filter((mark) => stands(used, limit, mark));
        const firstReached = reached.filter((mark) => !stands(usedBefore, limitBefore, mark));
        const highest = firstReached.at(-1);
        for (const [resource, of] of [
          ["interviews", interviews],
          ["storage", storage],
        ] as const) {
          const events = quotaEvents(of(usedBefore, limitBefore), of(used, limit));
          const eventType = highest === 100 ? "user.quota_exceeded" : "user.quota_warning";
          const percent = percentUsed(used, limit);
          const data = { resource, used: Math.max(0, used), limit, percent };
          expect(events).toEqual(highest === undefined ? [] : [{ eventType, userId: id, data }]);
        }
      }),
    );
  });

  test("once for each mark, if the use grows in small steps", () => {
    const events = Array.from({ length: 120 }, (_, n) =>
      quotaEvents(storage(n, 100), storage(n + 1, 100)),
    ).flat();
    expect(events.map(({ data }) => (data as { percent: number }).percent)).toEqual(MARKS);
  });

  test("again if the use falls below a mark and reaches it once more", () => {
    const steps = [80, 85, 84, 86, 100, 99, 100, 120];
    const events = steps
      .slice(1)
      .map((to, n) => quotaEvents(storage(steps[n] ?? 0, 100), storage(to, 100)).length);
    expect(events).toEqual([1, 0, 1, 1, 0, 1, 0]);
  });

  test("separately for each resource", () => {
    const before = { ...interviews(0, 10), storageUsed: 0 };
    const both = quotaEvents(before, { ...before, interviewsCreated: 10, storageUsed: 90 });
    expect(both.map(({ eventType, data }) => [eventType, (data as { resource: string }).resource])).toEqual([
      ["user.quota_exceeded", "interviews"],
      ["user.quota_warning", "storage"],
    ]);
  });

  test("never if the limit is null, which means unlimited", () => {
    fc.assert(
      fc.property(uses, limits, uses, (usedBefore, limitBefore, used) => {
        expect(quotaEvents(interviews(usedBefore, limitBefore), interviews(used, null))).toEqual([]);
        expect(quotaEvents(interviews(usedBefore, null), interviews(used, null))).toEqual([]);
      }),
    );
  });

  test("if an unlimited quota gets a limit of which the use has already reached a mark", () => {
    const percents = [84, 85, 97, 100].map((used) =>
      quotaEvents(storage(used, null), storage(used, 100)).map(
        ({ data }) => (data as { percent: number }).percent,
      ),
    );
    expect(percents).toEqual([[], [85], [97], [100]]);
  });

  test("if the limit becomes 0", () => {
    expect(quotaEvents(interviews(0, 10), interviews(0, 0))).toEqual([
      {
        eventType: "user.quota_exceeded",
        userId: id,
        data: { resource: "interviews", used: 0, limit: 0, percent: 100 },
      },
    ]);
  });
});
