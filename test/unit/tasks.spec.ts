import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";

/** The sleeps of the tasks, in ms. They do not take real time. */
const slept: number[] = [];
jest.unstable_mockModule("node:timers/promises", () => ({
  setTimeout: async (ms: number) => void slept.push(ms),
}));
const { repeat, until, within } = await import("../../lib/runtime/tasks.ts");

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const never = new Promise<string>(() => {});

test("within: a result in time is returned, and no timer is left", async () => {
  expect(await within(1_000, Promise.resolve("done"))).toBe("done");
  expect(jest.getTimerCount()).toBe(0);
});

test("within: an error in time is thrown", async () => {
  await expect(within(1_000, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});

test("within: after the time limit the result is undefined, and a later error is ignored", async () => {
  const late = Promise.withResolvers<string>();
  const result = within(1_000, late.promise);
  jest.advanceTimersByTime(1_000);
  expect(await result).toBeUndefined();
  late.reject(new Error("too late"));
});

test("until: returns the result, or undefined if the signal is aborted or aborts first", async () => {
  const stop = new AbortController();
  expect(await until(stop.signal, Promise.resolve("done"))).toBe("done");
  const waiting = until(stop.signal, never);
  stop.abort();
  expect(await waiting).toBeUndefined();
  expect(await until(stop.signal, never)).toBeUndefined();
});

test("repeat: a failed run is repeated after at most a minute, a successful one after its interval", async () => {
  for (const [everyMs, afterFailure] of [
    [3_600_000, 60_000],
    [500, 500],
  ] as const) {
    slept.length = 0;
    const stop = new AbortController();
    const errors: unknown[] = [];
    let runs = 0;
    const work = async () => {
      runs++;
      if (runs === 4) stop.abort();
      if (runs < 3) throw new Error(`run ${runs}`);
    };
    await repeat(work, { everyMs, signal: stop.signal, onError: (error) => errors.push(error) });
    expect(slept.slice(0, 3)).toEqual([afterFailure, afterFailure, everyMs]);
    expect(errors).toEqual([new Error("run 1"), new Error("run 2")]);
  }
});
