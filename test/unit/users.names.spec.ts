import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { fullNameOf, profile } from "../../services/users/users.contract.ts";

const email = "ada@example.com";
const isFullName = compileCheck(toParams({ fullName: profile.fullName }));

test.each<[string, Parameters<typeof fullNameOf>[0], string]>([
  [
    "the full name",
    { full: " Ada Lovelace ", first: "A", last: "L", username: "ada", email },
    "Ada Lovelace",
  ],
  ["first and last name", { first: "Ada", last: "Lovelace", username: "ada", email }, "Ada Lovelace"],
  ["the first name alone", { first: "Ada", username: "ada", email }, "Ada"],
  [
    "the user name if there is no other name",
    { full: "", first: "", last: "", username: "ada", email },
    "ada",
  ],
  [
    "the user name if the other names are invalid",
    { full: "A", first: 1, last: "\u200b", username: "ada", email },
    "ada",
  ],
  ["the e-mail if there is no name at all", { email }, email],
  ["the e-mail if the names have line breaks or NUL", { full: "A\nB", username: "a\0b", email }, email],
  ["the first 100 characters of a longer name", { full: "😀".repeat(120), email }, "😀".repeat(100)],
])("the full name of a Keycloak user is %s", (_, names, expected) => {
  expect(fullNameOf(names)).toBe(expected);
});

test("the full name is valid in the contract for any values from Keycloak", () => {
  const anything = fc.anything({ withObjectString: true });
  const odd = fc.oneof(anything, fc.string({ unit: "binary", maxLength: 150 }), fc.string({ maxLength: 3 }));
  const names = fc.record({ full: odd, first: odd, last: odd, username: odd, email: fc.emailAddress() });
  fc.assert(
    fc.property(names, (given) => {
      expect(isFullName({ fullName: fullNameOf(given) })).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});
