import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { searchLimiter } from "../../services/users/users.search.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const busy = expect.objectContaining({ code: 503, message: "Too many searches at once: try again later" });

/** Starts searches that end only on demand, and counts those that run. */
function searches(limited: ReturnType<typeof searchLimiter>) {
  const running: (() => void)[] = [];
  const start = (term: string) =>
    limited(term, () => new Promise<string>((resolve) => running.push(() => resolve(term)))).catch(
      (error: Error) => error,
    );
  return { running, start };
}
const settle = () => jest.advanceTimersByTimeAsync(0);

test("searches for three or more characters run in parallel up to the limit, shorter ones one at a time", async () => {
  const { running, start } = searches(searchLimiter(3));
  for (let i = 0; i < 5; i++) void start("ada");
  await settle();
  expect(running).toHaveLength(3);
  for (const term of ["a", "ab", "🙂🙂"]) void start(term);
  await settle();
  expect(running).toHaveLength(4);
});

test("the next search starts when one ends, also if it fails", async () => {
  const limited = searchLimiter(1);
  await expect(limited("ada", () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  await expect(limited("ada", async () => "found")).resolves.toBe("found");
});

test("searches above the number that may wait are refused at once with 503", async () => {
  const { running, start } = searches(searchLimiter(1));
  const all = Array.from({ length: 22 }, () => start("a"));
  await settle();
  expect(await all[21]).toEqual(busy);
  expect(running).toHaveLength(1);
});

test("a search that waits too long is refused with 503 and never runs", async () => {
  const { running, start } = searches(searchLimiter(1));
  const first = start("a");
  const second = start("b");
  await jest.advanceTimersByTimeAsync(1_500);
  expect(await second).toEqual(busy);
  running[0]?.();
  expect(await first).toBe("a");
  await settle();
  expect(running).toHaveLength(1);
});
