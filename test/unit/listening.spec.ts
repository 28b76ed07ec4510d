import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { heard, isDeaf, silenceOf } from "../../lib/runtime/listening.ts";

beforeAll(() => void jest.useFakeTimers());
afterAll(() => void jest.useRealTimers());

test("a node that is to hear nothing is not deaf", () => {
  jest.advanceTimersByTime(3_600_000);
  expect(isDeaf()).toBe(false);
});

test("a node that heard nothing of a source for 30 s is deaf, until it hears again", () => {
  heard("cluster");
  heard("topics");
  jest.advanceTimersByTime(30_000);
  expect(isDeaf()).toBe(false);
  heard("cluster"); // the other one is not heard by it
  jest.advanceTimersByTime(1);
  expect([isDeaf(), silenceOf("cluster"), silenceOf("topics")]).toEqual([true, 1, 30_001]);
  heard("topics");
  expect(isDeaf()).toBe(false);
});
