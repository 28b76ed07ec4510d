import { afterEach, expect, jest, test } from "@jest/globals";
import { STATEMENT_TIMEOUT } from "../../models/session.ts";
import { inTurn } from "../../models/user-turn.ts";

afterEach(() => {
  jest.restoreAllMocks();
});

test("work on one user runs one after another, also after a failure; work on others does not wait", async () => {
  const first = Promise.withResolvers<void>();
  const begun: string[] = [];
  const begin = (name: string, until?: Promise<void>) => async () => {
    begun.push(name);
    await until;
    return name;
  };
  const results = Promise.allSettled([
    inTurn("ada", begin("first", first.promise)),
    inTurn("ada", begin("second")),
  ]);
  expect(await inTurn("bob", begin("other"))).toBe("other");
  expect(begun).toEqual(["first", "other"]);
  first.reject(new Error("failed"));
  expect(await results).toMatchObject([{ reason: { message: "failed" } }, { value: "second" }]);
});

test("work is not started if its turn comes after the time limit of a statement", async () => {
  const first = Promise.withResolvers<void>();
  const begun = inTurn("ada", () => first.promise);
  const late = jest.fn(async () => {});
  const results = Promise.allSettled([begun, inTurn("ada", late)]);
  await Promise.resolve();
  const now = performance.now() + STATEMENT_TIMEOUT + 1;
  jest.spyOn(performance, "now").mockReturnValue(now);
  first.resolve();
  expect(await results).toMatchObject([
    { status: "fulfilled" },
    { reason: { type: "DEPENDENCY_UNAVAILABLE" } },
  ]);
  expect(late).not.toHaveBeenCalled();
});
