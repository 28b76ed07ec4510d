import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { toEmailAddress } from "../../lib/contract/formats/email-address.ts";
import { Fault } from "../../lib/contract/formats/fault.ts";
import { toUtcDate } from "../../lib/contract/formats/iso-date.ts";
import { toLanguage } from "../../lib/contract/formats/language.ts";
import { toName } from "../../lib/contract/formats/person-name.ts";
import { toE164 } from "../../lib/contract/formats/phone.ts";
import { toTimezone } from "../../lib/contract/formats/timezone.ts";

const REFUSED = expect.any(Fault);
const digitsOf = (text: string) => text.replace(/\D/g, "");

describe("phone", () => {
  test.each([
    { given: "+1 (650) 253-0000", stored: "+16502530000" },
    { given: "+49.30.901820", stored: "+4930901820" },
    { given: "+49 (0)30 901820", stored: "+4930901820" },
    { given: "+1 650\u00a0253\u20110000", stored: "+16502530000" },
    { given: "+٤٩٣٠٩٠١٨٢٠", stored: "+4930901820" },
  ])("$given is a single number and is stored as $stored", ({ given, stored }) => {
    expect(toE164(given)).toBe(stored);
  });

  test.each([
    { kind: "vanity number", given: "+1-800-FLOWERS" },
    { kind: "vanity number", given: "+1 (888) CALL-NOW" },
    { kind: "vanity number", given: "+49 800 TELEKOM" },
    { kind: "extension", given: "+12133734253 ext. 123" },
    { kind: "extension", given: "+12133734253;ext=123" },
    { kind: "extension", given: "+1 213 373 4253 x99" },
    { kind: "extension", given: "+1 213 373 4253#77" },
    { kind: "extension", given: "+7 (495) 123-45-67 доб. 123" },
    { kind: "extension", given: "+16502530000, 03" },
    { kind: "sub-address", given: "+4930901820;isub=1" },
    { kind: "remark", given: "+1 213 373 4253 or ask Bob" },
    { kind: "remark", given: "+49 30 1234567 (nur vormittags)" },
    { kind: "second number", given: "+16502530000 / +16502530001" },
    { kind: "second number", given: "+49 30 901820/21" },
    { kind: "too many digits", given: "+49 30 901820 123456789" },
    { kind: "no country", given: "650 253 0000" },
    { kind: "no number", given: "+1" },
    { kind: "no number", given: "call me" },
  ])("$given ($kind) is kept as given", ({ given }) => expect(toE164(given)).toBe(given));

  test("a number with text beside it is kept as given", () => {
    const beside = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .filter((text) => /\p{L}/u.test(text));
    fc.assert(
      fc.property(beside, fc.boolean(), (text, before) => {
        const given = before ? `${text} +1 650 253 0000` : `+1 650 253 0000 ${text}`;
        expect(toE164(given)).toBe(given);
      }),
    );
  });

  test("a number's separators do not change its digits", () => {
    const separators = fc.array(fc.constantFrom("", " ", "-", ".", "  "), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(separators, (between) => {
        const given = `+1${[..."6502530000"].map((digit, index) => between[index] + digit).join("")}`;
        expect(toE164(given)).toBe("+16502530000");
      }),
    );
  });

  test("any text is kept as given, or becomes E.164 without digits that it did not have", () => {
    const text = fc.string({ unit: fc.constantFrom(..."+0123456789 ()-./x,;#~aä"), maxLength: 30 });
    fc.assert(
      fc.property(text, (rest) => {
        const given = `+${rest}`;
        const stored = toE164(given);
        if (stored === given) return;
        expect(stored).toMatch(/^\+[1-9]\d{1,14}$/);
        expect(given).not.toMatch(/[^+\d\s().-]/);
        // a national prefix after the country code is dropped, as in +49 (0)30
        expect(digitsOf(given).length - digitsOf(stored).length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("time zone", () => {
  test.each([
    { given: "europe/berlin", stored: "Europe/Berlin" },
    { given: "EUROPE/BERLIN", stored: "Europe/Berlin" },
    { given: "utc", stored: "UTC" },
    { given: "america/port-au-prince", stored: "America/Port-au-Prince" },
    { given: "AMERICA/ARGENTINA/BUENOS_AIRES", stored: "America/Argentina/Buenos_Aires" },
    { given: "Europe/Kyiv", stored: "Europe/Kyiv" },
    { given: "Asia/Calcutta", stored: "Asia/Calcutta" },
    { given: "etc/gmt+5", stored: "Etc/GMT+5" },
    { given: "est5edt", stored: "EST5EDT" },
  ])("$given is stored as $stored", ({ given, stored }) => expect(toTimezone(given)).toBe(stored));

  test.each(
    "IST PST BST AST ECT MIT CST ACT SystemV/AST4 US/Pacific-New +01:00 GMT+1 Mars/Olympus Factory localtime __proto__".split(
      " ",
    ),
  )("%s is refused, because it is not an IANA name", (given) => expect(toTimezone(given)).toEqual(REFUSED));

  test("every zone that Intl lists is accepted in any letter case, and Intl accepts the stored name", () => {
    for (const zone of Intl.supportedValuesOf("timeZone")) {
      expect(toTimezone(zone)).toBe(zone);
      expect(toTimezone(zone.toUpperCase())).toBe(zone);
      expect(() => new Intl.DateTimeFormat("en", { timeZone: zone })).not.toThrow();
    }
  });
});

describe("language", () => {
  test.each([
    { kind: "case", given: "EN-us", stored: "en-US" },
    { kind: "script", given: "zh-hant-tw", stored: "zh-Hant-TW" },
    { kind: "extension", given: "de-DE-u-co-phonebk", stored: "de-DE-u-co-phonebk" },
    { kind: "extended language", given: "zh-yue", stored: "yue" },
    { kind: "extended language", given: "ZH-yue-hk", stored: "yue-HK" },
    { kind: "extended language", given: "zh-cmn-Hans-CN", stored: "zh-Hans-CN" },
    { kind: "extended language", given: "ar-aao", stored: "aao" },
    { kind: "extended language", given: "sgn-ase", stored: "ase" },
    { kind: "grandfathered", given: "i-klingon", stored: "tlh" },
    { kind: "grandfathered", given: "I-Default", stored: "i-default" },
    { kind: "grandfathered", given: "art-lojban", stored: "jbo" },
    { kind: "grandfathered", given: "zh-min-nan", stored: "nan" },
    { kind: "grandfathered", given: "zh-min", stored: "zh-min" },
    { kind: "grandfathered", given: "en-GB-oed", stored: "en-GB-oxendict" },
    { kind: "grandfathered", given: "sgn-BE-FR", stored: "sfb" },
    { kind: "grandfathered", given: "no-bok", stored: "nb" },
    { kind: "private use", given: "x-Whatever", stored: "x-whatever" },
  ])("$given ($kind) is stored as $stored", ({ given, stored }) => {
    expect(toLanguage(given)).toBe(stored);
    expect(toLanguage(stored)).toBe(stored);
  });

  test.each([
    "en_US",
    "e",
    "en-",
    "zh-yue-yue-yue",
    "en-abc",
    "x-",
    "x-toolongsubtag",
    "de-1996-1996",
    "constructor",
  ])("%s is refused", (given) => expect(toLanguage(given)).toEqual(REFUSED));

  test("a canonical tag is stored unchanged", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z]{1,4}(-[a-zA-Z0-9]{1,8}){0,3}$/), (given) => {
        const stored = toLanguage(given);
        if (typeof stored === "string") expect(toLanguage(stored)).toBe(stored);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Characters that are invisible, or that change the position of others. */
const INVISIBLE = [
  ..."\x01\x07\t\n\v\f\r\x1b\x7f\x85\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202e\u2060\u2066\ufeff",
  ..."\u115f\u1160\u2800\u3164\uffa0\u{e0041}",
];
const named = (characters: string[]) =>
  characters.map((character) => ({ character, code: character.codePointAt(0)?.toString(16) }));

describe("name", () => {
  test.each([
    { kind: "Latin", given: "Ada Lovelace-O'Neil" },
    { kind: "combining accents", given: "Jose\u0301" },
    { kind: "Chinese with a variation selector", given: "葛\u{e0100}城" },
    { kind: "Persian with a joiner", given: "علی\u200cرضا" },
    { kind: "Sinhala with a joiner", given: "ක්\u200dෂ" },
    { kind: "emoji with joiners", given: "👩🏽\u200d🚀 Ada" },
  ])("$kind is kept as given", ({ given }) => expect(toName(given)).toBe(given));

  test.each(named(INVISIBLE))("with the invisible character U+$code is refused", ({ character }) => {
    for (const given of [`An${character}na`, `${character}Anna`, `Anna${character}`, character.repeat(2)])
      expect(toName(given)).toEqual(REFUSED);
  });

  test.each(["\u200c\u200d", "An\u200dna", "An\u200cna", "\u034f\u034f", "\ufe0f\ufe0f", "\u00a0\u3000"])(
    "with a joiner or variation selector that has no effect is refused: %j",
    (given) => expect(toName(given)).toEqual(REFUSED),
  );

  test("of letters, marks, digits, punctuation and spaces is kept as given", () => {
    const words = fc
      .stringMatching(/^[\p{L}\p{N}][\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u)
      .filter((text) => !/[\u115f\u1160\u2800\u3164\uffa0]/.test(text));
    fc.assert(fc.property(words, (given) => expect(toName(given)).toBe(given)));
  });
});

describe("e-mail", () => {
  test.each([
    { kind: "ASCII", given: "Ada.Lovelace+x@Sub.Example.org" },
    { kind: "Latin", given: "jürgen@müller.de" },
    { kind: "Latin, decomposed", given: "ju\u0308rgen@example.de" },
    { kind: "Cyrillic", given: "анна@почта.рф" },
    { kind: "Cyrillic and Latin words", given: "анна.smith@example.com" },
    { kind: "Greek", given: "άννα@example.gr" },
    { kind: "Chinese", given: "用户@例子.中国" },
    { kind: "dotless i", given: "ışık@example.com.tr" },
  ])("$given ($kind) is kept as given", ({ given }) => expect(toEmailAddress(given)).toBe(given));

  test.each(named(INVISIBLE))("with the invisible character U+$code is refused", ({ character }) => {
    for (const given of [`an${character}na@example.com`, `anna@exam${character}ple.com`])
      expect(toEmailAddress(given)).toEqual(REFUSED);
  });

  test.each([
    { kind: "Kelvin sign", given: "\u212aim@example.com" },
    { kind: "dotted capital I", given: "\u0130pek@example.com" },
    { kind: "long s", given: "\u017fam@example.com" },
    { kind: "full width", given: "\uff41nna@example.com" },
    { kind: "ligature", given: "\ufb01nn@example.com" },
    { kind: "Cyrillic letter in a Latin word", given: "\u0430nna@example.com" },
    { kind: "Latin letter in a Cyrillic word", given: "анн\u0061@example.com" },
    { kind: "Greek letter in the domain", given: "anna@g\u03bfogle.com" },
  ])("with a look-alike ($kind) is refused", ({ given }) => expect(toEmailAddress(given)).toEqual(REFUSED));
});

describe("date", () => {
  test.each([
    { kind: "date alone", given: "2019-05-01", stored: "2019-05-01T00:00:00.000Z" },
    { kind: "no zone", given: "2019-05-01T12:30", stored: "2019-05-01T12:30:00.000Z" },
    { kind: "no zone, fraction", given: "2019-05-01T12:30:15.25", stored: "2019-05-01T12:30:15.250Z" },
    { kind: "offset", given: "2019-05-01T00:30:00+02:00", stored: "2019-04-30T22:30:00.000Z" },
    { kind: "leap day", given: "2024-02-29", stored: "2024-02-29T00:00:00.000Z" },
    { kind: "first year", given: "0001-01-01", stored: "0001-01-01T00:00:00.000Z" },
  ])("$given ($kind) is $stored", ({ given, stored }) => expect(toUtcDate(given)).toBe(stored));

  test.each([
    "2019-02-29",
    "2019-02-30T10:00:00Z",
    "2019-04-31",
    "2019-13-01",
    "2019-00-10",
    "2019-01-00",
    "2019-01-01T24:00",
    "2019-01-01T10:60",
    "2019-01-01T10:00:60Z",
    "2019-01-01T10:00+24:00",
    "2019-01-01T10:00+01:60",
    "0000-01-01",
    "0001-01-01T00:00+01:00",
    "2019-01-01 10:00",
    "2019-1-1",
    "yesterday",
    "1546300800",
  ])("%s is refused", (given) => expect(toUtcDate(given)).toEqual(REFUSED));

  test("every time is read back unchanged, with and without its zone", () => {
    const years = { min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true };
    fc.assert(
      fc.property(fc.date(years), (date) => {
        const text = date.toISOString();
        expect([toUtcDate(text), toUtcDate(text.slice(0, -1))]).toEqual([text, text]);
      }),
    );
  });

  test("a day is accepted if and only if it exists in the calendar", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9999 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 31 }),
        (year, month, day) => {
          const text = `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
          const days = [
            31,
            year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28,
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
          ];
          expect(toUtcDate(text)).toEqual(day <= (days[month - 1] ?? 0) ? `${text}T00:00:00.000Z` : REFUSED);
        },
      ),
    );
  });
});
