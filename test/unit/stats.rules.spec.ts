import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { UserRow } from "../../models/user.ts";
import type { CountedEvent, Counter } from "../../services/stats/stats.contract.ts";
import { setQuotas, sumByUser } from "../../services/stats/stats.rules.ts";

const COUNTERS: Counter[] = ["interviewsCreated", "interviewsActive", "candidatesTotal", "storageUsed"];
const events = (amounts: fc.Arbitrary<number>): fc.Arbitrary<CountedEvent[]> =>
  fc.array(
    fc.record({
      key: fc.uuid(),
      topic: fc.constant("interview-events"),
      userId: fc.constantFrom("a", "b", "c"),
      eventType: fc.constant("interview.created"),
      add: fc.dictionary(fc.constantFrom(...COUNTERS), amounts),
    }),
    { maxLength: 30 },
  );

/** The expected sums, computed independently. */
function totals(all: CountedEvent[], userId: string) {
  const own = all.filter((event) => event.userId === userId);
  return COUNTERS.map((counter) => own.reduce((sum, { add }) => sum + BigInt(add[counter] ?? 0), 0n));
}

function expectSums(all: CountedEvent[]): void {
  for (const [userId, sum] of sumByUser(all)) {
    const { interviewsCreated, interviewsActive, candidatesTotal, storageUsed } = sum;
    const shown = [interviewsCreated, interviewsActive, candidatesTotal, storageUsed].map(BigInt);
    expect(shown).toEqual(totals(all, userId));
  }
  expect(new Set(sumByUser(all).keys())).toEqual(new Set(all.map(({ userId }) => userId)));
}

test("counters are the same for any order of events", () => {
  const shuffled = events(fc.integer()).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));
  fc.assert(fc.property(shuffled, expectSums));
});

test("counters are exact for sizes up to 2^53 - 1", () => {
  const large = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 1, 2, 3));
  fc.assert(fc.property(events(large), expectSums), { numRuns: 300 });
});

test("setQuotas sets the given limits, keeps an omitted one, and returns no change if they are equal", () => {
  const user = { maxInterviews: 10, maxStorage: 100 } as UserRow;
  expect(setQuotas(user, { maxInterviews: 5 })).toEqual({ set: { maxInterviews: 5, maxStorage: 100 } });
  expect(setQuotas(user, { maxStorage: 0 })).toEqual({ set: { maxInterviews: 10, maxStorage: 0 } });
  expect(setQuotas(user, { maxInterviews: null })).toEqual({ set: { maxInterviews: null, maxStorage: 100 } });
  expect(setQuotas(user, {})).toBeUndefined();
  expect(setQuotas(user, { maxInterviews: 10, maxStorage: 100 })).toBeUndefined();
});
