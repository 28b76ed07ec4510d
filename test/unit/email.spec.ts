import { expect, test } from "@jest/globals";
import { sameEmail } from "../../lib/contract/email.ts";

test.each([
  ["ASCII letters", "Info@Example.COM", "info@example.com"],
  ["letters with a diacritic", "ÄNNA@x.de", "änna@x.de"],
  ["composed and decomposed letters", "ÄNNA@x.de", "a\u0308nna@x.de"],
  ["a final sigma before a dot", "ΝΙΚΟΣ.ΠΑΠΑΣ@x.gr", "νικος.παπας@x.gr"],
  ["Cyrillic letters", "ИВАН@x.ru", "иван@x.ru"],
  ["the Kelvin sign, which is canonically a K", "\u212aing@x.com", "king@x.com"],
  ["I with a dot above, composed and decomposed", "\u0130stanbul@x.tr", "i\u0307stanbul@x.tr"],
])("e-mails that differ only in case or Unicode form are the same: %s", (_, a, b) => {
  expect(sameEmail(a, b)).toBe(true);
  expect(sameEmail(b, a)).toBe(true);
});

test.each([
  ["a dotless i is not an i", "m\u0131ke@x.com", "mike@x.com"],
  ["a sharp s is not ss", "stra\u00dfe@x.de", "strasse@x.de"],
  ["a Cyrillic a is not a Latin a", "\u0430da@x.com", "ada@x.com"],
  ["a full-width letter is not an ASCII letter", "\uff21da@x.com", "ada@x.com"],
])("e-mails that look alike are different: %s", (_, a, b) => {
  expect(sameEmail(a, b)).toBe(false);
});
