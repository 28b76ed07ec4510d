import { expect, test } from "@jest/globals";
import { watchForGoneNodes } from "../../lib/kafka/gone-nodes.ts";

const HOUR = 3_600_000;

function look() {
  let now = 0;
  const gone = watchForGoneNodes(() => now);
  return (hour: number, withTopics: string[], alive: string[]) => {
    now = hour * HOUR;
    return gone(withTopics, (node) => alive.includes(node));
  };
}

test("a node counts as gone after it was missing at every look for a day", () => {
  const at = look();
  expect(at(0, ["a", "b"], ["a"])).toEqual([]);
  for (let hour = 1; hour < 24; hour++) expect(at(hour, ["a", "b"], ["a"])).toEqual([]);
  expect(at(24, ["a", "b"], ["a"])).toEqual(["b"]);
});

test("the day starts again if the node was alive in between, or had no topics", () => {
  const at = look();
  at(0, ["back", "recreated"], []);
  at(10, ["back"], ["back"]);
  at(11, ["back", "recreated"], []);
  expect(at(24, ["back", "recreated"], [])).toEqual([]);
  expect(at(35, ["back", "recreated"], [])).toEqual(["back", "recreated"]);
});

test("at the first look, no node counts as gone", () => {
  expect(look()(1_000, ["a"], [])).toEqual([]);
});
