import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseJson } from "../../services/api/json-body.ts";

const refused = (text: string) => expect(() => parseJson(Buffer.from(text))).toThrow(/^Request body/);

test("a body without the key __proto__ is parsed as JSON.parse would", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary" }), (text) => {
      const expected = JSON.parse(text);
      if (!text.includes("__proto__"))
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(Buffer.from(text).toString()) ?? expected);
    }),
  );
});

test("the key __proto__ is refused at any depth, also if it is escaped", () => {
  const spelled = fc
    .array(fc.boolean(), { minLength: 9, maxLength: 9 })
    .map((escapes) =>
      [..."__proto__"].map((c, i) => (escapes[i] ? `\\u00${c.charCodeAt(0).toString(16)}` : c)).join(""),
    );
  fc.assert(
    fc.property(spelled, fc.integer({ min: 0, max: 90 }), (key, depth) =>
      refused(`${'{"a":['.repeat(depth / 2)}{"${key}":1}${"]}".repeat(depth / 2)}`),
    ),
  );
});

test("__proto__ is accepted as a value", () => {
  expect(parseJson(Buffer.from('{"a":"__proto__"}'))).toEqual({ a: "__proto__" });
});

test("100 nested levels are accepted and 101 are refused; brackets inside a text do not count", () => {
  expect(parseJson(Buffer.from(`${"[".repeat(100)}${"]".repeat(100)}`))).toBeInstanceOf(Array);
  refused(`${"[".repeat(101)}${"]".repeat(101)}`);
  refused(`${"[".repeat(500_000)}${"]".repeat(500_000)}`);
  expect(parseJson(Buffer.from(`{"a":"${"[".repeat(1_000)}"}`))).toEqual({ a: "[".repeat(1_000) });
});

test("bytes that are not UTF-8 are refused, and a byte order mark is ignored", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const body = Buffer.concat([Buffer.from('{"a":"'), bytes, Buffer.from('"}')]);
      const isUtf8 = Buffer.from(body.toString()).equals(body);
      if (!isUtf8) expect(() => parseJson(body)).toThrow("not valid JSON");
    }),
  );
  expect(parseJson(Buffer.from("\ufeff{}"))).toEqual({});
});

test("10,000 values are accepted and more are refused; commas inside a text do not count", () => {
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",");
  expect(Object.keys(parseJson(Buffer.from(`{${keys(10_000)}}`)) as object)).toHaveLength(10_000);
  for (const text of [`{${keys(10_001)}}`, `{"a":{${keys(90_000)}}}`, `[${"{},".repeat(340_000)}{}]`])
    expect(() => parseJson(Buffer.from(text))).toThrow("Request body has more than 10000 values");
  const bio = `${",".repeat(20_000)}\\",[`;
  expect(parseJson(Buffer.from(JSON.stringify({ bio })))).toEqual({ bio });
});
