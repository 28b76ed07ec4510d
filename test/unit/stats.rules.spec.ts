import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { UserRow } from "../../models/user.ts";
import type { ConsumedEventType, CountedEvent } from "../../services/ingest/ingest.contract.ts";
import { effectOf, setQuotas, sumByUser } from "../../services/stats/stats.rules.ts";

test("each consumed event has the effect of SPEC 7", () => {
  expect(effectOf({ eventType: "interview.created", amount: 0 })).toEqual({
    interviewsCreated: 1,
    interviewsActive: 1,
  });
  expect(effectOf({ eventType: "interview.completed", amount: 7 })).toEqual({
    interviewsActive: -1,
    candidatesTotal: 7,
  });
  expect(effectOf({ eventType: "media.uploaded", amount: 5 })).toEqual({ storageUsed: 5 });
  expect(effectOf({ eventType: "media.deleted", amount: 5 })).toEqual({ storageUsed: -5 });
});

const types: ConsumedEventType[] = [
  "interview.created",
  "interview.completed",
  "media.uploaded",
  "media.deleted",
];
const events = (amounts: fc.Arbitrary<number>): fc.Arbitrary<CountedEvent[]> =>
  fc.array(
    fc.record({
      key: fc.uuid(),
      topic: fc.constant("interview-events"),
      userId: fc.constantFrom("a", "b", "c"),
      eventType: fc.constantFrom(...types),
      amount: amounts,
    }),
    { maxLength: 30 },
  );

/** The sums, by a way of its own. */
function totals(all: CountedEvent[], userId: string) {
  const of = (type: string) => all.filter((event) => event.userId === userId && event.eventType === type);
  const amount = (type: string) => of(type).reduce((sum, event) => sum + BigInt(event.amount), 0n);
  return [
    BigInt(of("interview.created").length),
    BigInt(of("interview.created").length - of("interview.completed").length),
    amount("interview.completed"),
    amount("media.uploaded") - amount("media.deleted"),
  ];
}

function expectSums(all: CountedEvent[]): void {
  for (const [userId, sum] of sumByUser(all)) {
    const { interviewsCreated, interviewsActive, candidatesTotal, storageUsed } = sum;
    const shown = [interviewsCreated, interviewsActive, candidatesTotal, storageUsed].map(BigInt);
    expect(shown).toEqual(totals(all, userId));
  }
  expect(new Set(sumByUser(all).keys())).toEqual(new Set(all.map(({ userId }) => userId)));
}

test("the sums hold in any order", () => {
  const shuffled = events(fc.nat()).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));
  fc.assert(fc.property(shuffled, expectSums));
});

test("the sums hold for the largest sizes too, each up to 2^53 - 1", () => {
  const large = fc.oneof(fc.maxSafeNat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 1, 2, 3));
  fc.assert(fc.property(events(large), expectSums), { numRuns: 300 });
});

test("new limits set both, keep what is left out, and are no change where they are the same", () => {
  const user = { maxInterviews: 10, maxStorage: 100 } as UserRow;
  expect(setQuotas(user, { maxInterviews: 5 })).toEqual({ set: { maxInterviews: 5, maxStorage: 100 } });
  expect(setQuotas(user, { maxStorage: 0 })).toEqual({ set: { maxInterviews: 10, maxStorage: 0 } });
  expect(setQuotas(user, {})).toBeUndefined();
  expect(setQuotas(user, { maxInterviews: 10, maxStorage: 100 })).toBeUndefined();
});
