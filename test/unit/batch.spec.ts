import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { endOfTurn, findInBatches, inBatches } from "../../lib/runtime/batch.ts";

const lower = (text: string) => text.toLowerCase();
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("each item gets its own result, however the items are spread over turns of the event loop", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.integer())), async (turns) => {
      const batches: number[][] = [];
      const double = inBatches(async (items: number[]) => {
        batches.push(items);
        return items.map((item) => 2 * item);
      });
      const results: Promise<number>[] = [];
      for (const items of turns) {
        results.push(...items.map(double));
        await turn();
      }
      expect(await Promise.all(results)).toEqual(turns.flat().map((item) => 2 * item));
      expect(batches).toEqual(turns.filter((items) => items.length > 0));
    }),
  );
});

test("a batch that fails rejects its own items and no others", async () => {
  const positive = inBatches(async (items: number[]) => {
    if (items.some((item) => item < 0)) throw new Error("There is a negative one");
    return items;
  });
  const first = [1, -1, 2].map(positive);
  await Promise.allSettled(first);
  const second = [3, 4].map(positive);
  expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
  expect(await Promise.all(second)).toEqual([3, 4]);
});

test("each key gets its own row or none, however many are asked for at once, and in whatever way it is written", async () => {
  const key = fc.constantFrom("a", "A", "b", "B", "c", "C");
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key, { selector: lower }), fc.array(key), async (existing, asked) => {
      const queries: string[][] = [];
      const find = findInBatches(
        async (keys) => {
          queries.push(keys);
          return existing.filter((name) => keys.map(lower).includes(lower(name))).map((name) => ({ name }));
        },
        ({ name }) => name,
        lower,
      );
      const expected = asked.map((key) => existing.find((name) => lower(name) === lower(key)));
      expect((await Promise.all(asked.map(find))).map((row) => row?.name)).toEqual(expected);
      expect(queries).toEqual(asked.length > 0 ? [asked] : []);
    }),
  );
});

test("everything that waits for the end of a turn continues together, after all other work of that turn", async () => {
  const order: string[] = [];
  const waiting = [1, 2].map((n) => endOfTurn().then(() => order.push(`${n} goes on`)));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  order.push("the turn goes on");
  await Promise.all(waiting);
  expect(order).toEqual(["the turn goes on", "1 goes on", "2 goes on"]);
});
