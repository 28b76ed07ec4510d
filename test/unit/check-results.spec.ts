import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ServiceBroker } from "moleculer";
import { type ActionContracts, action } from "../../lib/contract/action.ts";
import { anyText, count, image, list, nullable, object, optional, text } from "../../lib/contract/fields.ts";
import { checkResults } from "../helpers/check-results.ts";

/** The integration tests install this check: each action must return what its contract declares. */

const Point = object({ x: count(), label: optional(nullable(text(1, 5))) });
const declared = (result: ActionContracts[string]["result"]) =>
  action({ access: "anyone", params: {}, result, summary: "" });
const contracts = {
  point: declared(Point),
  line: declared(list(object({ from: Point, to: Point }))),
  text: declared(anyText()),
  image: declared(image()),
};

let returned: unknown;
const broker = new ServiceBroker({
  logger: false,
  middlewares: [checkResults({ shapes: contracts })],
});
broker.createService({
  name: "shapes",
  actions: Object.fromEntries(
    [...Object.keys(contracts), "undeclared"].map((name) => [name, () => returned as object]),
  ),
});
beforeAll(() => broker.start());
afterAll(() => broker.stop());

const callWith = (name: string, result: unknown) => {
  returned = result;
  return broker.call(`shapes.${name}`);
};

test.each([
  ["point", { x: 1 }],
  ["point", { x: 1, label: null }],
  ["line", []],
  ["line", [{ from: { x: 1 }, to: { x: 2, label: "b" } }]],
  ["text", ""],
  ["image", null],
  ["image", Readable.from([])],
  ["undeclared", 1],
])("a call of %s succeeds if it returns the declared result: %j", async (name, result) => {
  expect(await callWith(name, result)).toBe(result);
});

test.each([
  ["point", undefined, "result is required"],
  ["point", {}, "result.x is required"],
  ["point", { x: "1" }, "result.x must be a number"],
  ["point", { x: -1 }, "result.x must be at least 0"],
  ["point", { x: 1, y: 2 }, "result.y is not a known field"],
  ["point", { x: 1, label: "too long" }, "result.label must have at most 5 characters"],
  ["point", { x: 1, label: " a" }, "result is not normalized"],
  ["line", [{ from: { x: 1 }, to: { x: "2" } }], "result.0.to.x must be a number"],
  ["text", 1, "result must be a string"],
  ["image", "bytes", "must be a stream or null"],
])("a call of %s fails if it returns another result: %j", async (name, result, fault) => {
  await expect(callWith(name, result)).rejects.toThrow(
    `shapes.${name} returned what its contract does not declare: ${fault}`,
  );
});

test("a service with an action that has no contract is refused", () => {
  const actions = { get: { access: "anyone" as const, handler: () => 1 } };
  expect(() => broker.createService({ name: "forgotten", actions })).toThrow(
    "forgotten.get has no contract in services/*/*.contract.ts",
  );
});
