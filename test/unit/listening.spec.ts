import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { heard, isDeafTo, listenTo, silenceOf } from "../../lib/runtime/listening.ts";

beforeAll(() => void jest.useFakeTimers());
afterAll(() => void jest.useRealTimers());

test("a node that is to hear nothing is not deaf", () => {
  jest.advanceTimersByTime(3_600_000);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, false]);
});

test("a node that listens to a source is deaf to it until it hears something; attempts to connect change nothing", () => {
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

test("a node that heard nothing of a source for 30 s is deaf to it, until it hears again", () => {
  heard("cluster");
  heard("topics");
  jest.advanceTimersByTime(30_000);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, false]);
  heard("cluster"); // the other one is not heard by it
  jest.advanceTimersByTime(1);
  expect([silenceOf("cluster"), silenceOf("topics")]).toEqual([1, 30_001]);
  expect([isDeafTo("cluster"), isDeafTo("topics")]).toEqual([false, true]);
  heard("topics");
  expect(isDeafTo("topics")).toBe(false);
});
