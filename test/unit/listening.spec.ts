import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { heard, isDeafTo, listenTo, silenceOf } from "../../lib/runtime/listening.ts";

beforeAll(() => void jest.useFakeTimers());
afterAll(() => void jest.useRealTimers());

test("a node that listens to nothing is not deaf", () => {
  jest.advanceTimersByTime(3_600_000);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, false]);
});

test("a node is deaf to a source until the first message arrives; attempts to connect do not count", () => {
  listenTo("cluster");
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([true, false]);
  jest.advanceTimersByTime(5_000);
  listenTo("cluster");
  expect(isDeafTo("cluster")).toBe(true);
  heard("cluster");
  jest.advanceTimersByTime(30_001);
  listenTo("cluster");
  expect(isDeafTo("cluster")).toBe(true);
  heard("cluster");
  expect(isDeafTo("cluster")).toBe(false);
});

test("a node is deaf to a source after 30 s without a message, until the next one arrives", () => {
  heard("cluster");
  heard("topics");
  jest.advanceTimersByTime(30_000);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, false]);
  heard("cluster"); // does not count for the topics
  jest.advanceTimersByTime(1);
  expect([silenceOf("cluster"), silenceOf("topics")]).toEqual([1, 30_001]);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, true]);
  heard("topics");
  expect(isDeafTo("topics")).toBe(false);
});
