import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { until, within } from "../../lib/runtime/tasks.ts";

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

test("within: after the time there is no result, and a later error is ignored", async () => {
  const late = Promise.withResolvers<string>();
  const result = within(1_000, late.promise);
  jest.advanceTimersByTime(1_000);
  expect(await result).toBeUndefined();
  late.reject(new Error("too late"));
});

test("until: the result, or undefined if the signal aborts before or has aborted", async () => {
  const stop = new AbortController();
  expect(await until(stop.signal, Promise.resolve("done"))).toBe("done");
  const waiting = until(stop.signal, never);
  stop.abort();
  expect(await waiting).toBeUndefined();
  expect(await until(stop.signal, never)).toBeUndefined();
});
