import { expect, test } from "@jest/globals";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { isDatabaseError, mayBeOfOne, translate, verdictOn } from "../../models/database.errors.ts";

/** As pg throws it, and as Sequelize wraps it. */
const errors = (code: string) => {
  const error = Object.assign(new Error("refused"), { code });
  return [error, Object.assign(new Error("wrapped"), { parent: error })];
};

test.each([
  ["25006", "close", "read-only after a failover"],
  ["28P01", "close", "the password is refused"],
  ["28000", "close", "the user is refused"],
  ["3D000", "close", "no such database"],
  ["57P01", "close", "shutdown by an administrator"],
  ["57P03", "close", "starting up"],
  ["57P05", "close", "idle session timeout"],
  ["08006", "close", "connection failure"],
  ["26000", "close", "no such prepared statement"],
  ["ECONNREFUSED", "close", "nothing listens"],
  ["EAI_AGAIN", "close", "the name server does not answer"],
  ["53100", "keep", "disk full"],
  ["53200", "keep", "out of memory"],
  ["53300", "keep", "too many connections"],
  ["57014", "keep", "statement timeout"],
  ["55P03", "keep", "lock not available"],
  ["42P01", "keep", "no such table yet"],
])("error %s is temporary, and the verdict on the connection is %s: %s", (code, verdict) => {
  for (const error of errors(code)) {
    expect(verdictOn(error)).toBe(verdict);
    expect(translate(error)).toBeInstanceOf(DependencyUnavailable);
    expect(translate(error)).toMatchObject({ cause: error });
  }
});

test.each(["23505", "23502", "22001", "42601", "42703", "42501", "XX000"])(
  "SQLSTATE %s is permanent: the error is not translated",
  (code) => {
    for (const error of errors(code)) {
      expect(verdictOn(error)).toBeUndefined();
      expect(translate(error)).toBe(error);
      expect(isDatabaseError(error)).toBe(true);
    }
  },
);

test("an error that does not come from the database is not taken for a database error", () => {
  const error = Object.assign(new Error("Not found"), { code: 404 });
  expect(verdictOn(error)).toBeUndefined();
  expect(isDatabaseError(error)).toBe(false);
  expect(isDatabaseError(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }))).toBe(false);
});

test.each([
  ["22001", true, "a text that is too long"],
  ["23505", true, "an e-mail that is taken"],
  ["55P03", true, "a lock that one of them needs"],
  ["57014", false, "a table that somebody has locked"],
  ["57P01", false, "a shutdown"],
])("SQLSTATE %s of a statement for several may be the fault of one: %s (%s)", (code, expected) => {
  for (const error of errors(code)) {
    expect(mayBeOfOne(translate(error), 2)).toBe(expected);
    expect(mayBeOfOne(translate(error), 1)).toBe(false);
  }
});
