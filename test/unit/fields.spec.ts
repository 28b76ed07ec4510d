import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { either, notWith, record } from "../../lib/contract/compound.ts";
import * as fields from "../../lib/contract/fields.ts";
import { toJsonSchema } from "../../lib/contract/json-schema.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { actions } from "../../services/users/users.contract.ts";

/** The params as the validator receives them, by action. */
const PARAMS = Object.fromEntries(
  Object.entries(actions).map(([name, { params }]) => [name, toParams(params)]),
) as unknown as Record<keyof typeof actions, Record<string, unknown>>;

const LONE_SURROGATE = "\ud800";

/** Checks a value against one field, like an action's params. Returns the value to store, or the details. */
function check(rule: fields.Field, value: unknown): { value?: unknown; details?: object[] } {
  const given = { field: value };
  const details = compileCheck(toParams({ field: rule }))(given);
  return details.length === 0 ? { value: given.field } : { details };
}

function checkParams(schema: Record<string, unknown>, given: object): object[] {
  return compileCheck(schema)(structuredClone(given));
}

const refused = { details: [{ field: "field", message: expect.any(String) }] };

describe("a text", () => {
  const fullName = fields.text(2, 100);

  test("is trimmed before it is measured", () => {
    expect(check(fullName, "  Ada \n")).toEqual({ value: "Ada" });
    expect(check(fullName, " A ")).toEqual(refused);
    expect(check(fullName, ` ${"x".repeat(100)} `)).toEqual({ value: "x".repeat(100) });
  });

  test("is measured in code points", () => {
    expect(check(fullName, "😀")).toEqual(refused);
    expect(check(fullName, "😀😀")).toEqual({ value: "😀😀" });
    expect(check(fullName, "😀".repeat(100))).toEqual({ value: "😀".repeat(100) });
    expect(check(fullName, "😀".repeat(101))).toEqual(refused);
  });

  test("is accepted if and only if it has 2 to 100 code points and no NUL", () => {
    const texts = fc.string({ unit: "grapheme-composite", maxLength: 120 });
    fc.assert(
      fc.property(texts, (text) => {
        const { length } = [...text.trim()];
        const fits = length >= 2 && length <= 100 && !text.includes("\0");
        expect(check(fullName, text)).toEqual(fits ? { value: text.trim() } : refused);
      }),
    );
  });

  test.each(["\0", "Ada\0", `Ada ${LONE_SURROGATE}`, "Ada \udc00"])(
    "with NUL or a lone surrogate is refused: %j",
    (text) => {
      expect(check(fullName, text)).toEqual(refused);
      expect(check(fields.optionalText(100), text)).toEqual(refused);
    },
  );

  test.each([null, undefined, 5, true, {}, ["Ada"]])("can't be %j", (value) => {
    expect(check(fullName, value)).toEqual(refused);
  });
});

describe("an optional text", () => {
  const bio = fields.optionalText(2000);

  test.each(["", "   ", "\t\n", null])("is null if it is %j", (value) => {
    expect(check(bio, value)).toEqual({ value: null });
  });

  test("may be omitted", () => expect(check(bio, undefined)).toEqual({ value: undefined }));

  test("is refused if it has more code points than its limit", () => {
    expect(check(bio, "é".repeat(2000))).toEqual({ value: "é".repeat(2000) });
    expect(check(bio, "é".repeat(2001))).toEqual(refused);
  });
});

describe("an e-mail", () => {
  test.each([
    "a@b.co",
    "Ada.Lovelace+x@Sub.Example.org",
    "jürgen@müller.de",
    "o'neil@example.ie",
    " a@b.co ",
  ])("is kept as given: %j", (email) =>
    expect(check(fields.email(), email)).toEqual({ value: email.trim() }),
  );

  test.each([
    "",
    "a",
    "a@b",
    "@b.co",
    "a@",
    "a@b..co",
    "a@.co",
    "a b@c.co",
    "a@b@c.co",
    "a@b.co, c@d.co",
    "<a@b.co>",
  ])("is refused: %j", (email) => expect(check(fields.email(), email)).toEqual(refused));

  test("has at most 255 code points", () => {
    const host = "@example.com";
    const longest = "a".repeat(255 - host.length) + host;
    expect(check(fields.email(), longest)).toEqual({ value: longest });
    expect(check(fields.email(), `a${longest}`)).toEqual(refused);
  });
});

describe("an id", () => {
  test("is a UUID of any version, converted to lower case", () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(check(fields.uuid(), id.toUpperCase())).toEqual({ value: id });
      }),
    );
  });

  test.each(["", "1", "3f2504e0-4f89-11d3-9a0c", "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}", null, 5])(
    "can't be %j",
    (id) => expect(check(fields.uuid(), id)).toEqual(refused),
  );
});

test("an integer must be safe and within its limits, and may be a text only in a query", () => {
  const limit = fields.integer(0, Number.MAX_SAFE_INTEGER);
  for (const value of [0, 1, Number.MAX_SAFE_INTEGER]) expect(check(limit, value)).toEqual({ value });
  for (const value of [-1, 1.5, 2 ** 53, "5", null, true, Number.NaN])
    expect(check(limit, value)).toEqual(refused);
  expect(check(fields.integer(1, 100, { convert: true }), "20")).toEqual({ value: 20 });
});

test("each unknown field is reported with its dotted name", () => {
  const given = {
    keycloakId: "k",
    email: "a@b.co",
    profile: { fullName: "Ada", admin: true, "a,b": 1 },
    isAdmin: true,
  };
  const names = checkParams(PARAMS.create, given).map((detail) => (detail as { field: string }).field);
  expect(names).toEqual(expect.arrayContaining(["isAdmin", "profile.admin"]));
});

test("each invalid field is reported with its dotted name, and without the value", () => {
  const details = checkParams(PARAMS.create, {
    keycloakId: "",
    email: "secret-no-mail",
    profile: { fullName: "x" },
  });
  expect(details.map((detail) => (detail as { field: string }).field).sort()).toEqual([
    "email",
    "keycloakId",
    "profile.fullName",
  ]);
  expect(JSON.stringify(details)).not.toContain("secret-no-mail");
});

test("null clears a profile's optional fields, but never fullName", () => {
  const id = crypto.randomUUID();
  expect(checkParams(PARAMS.update, { id, profile: { companyName: null, phone: null, bio: null } })).toEqual(
    [],
  );
  expect(checkParams(PARAMS.update, { id, profile: { fullName: null } })).toEqual([
    { field: "profile.fullName", message: expect.any(String) },
  ]);
});

describe("a phone", () => {
  const { profile } = PARAMS.create as unknown as { profile: { props: { phone: fields.Field } } };
  test.each([
    ["+1 (650) 253-0000", "+16502530000"],
    ["+49 30 901820", "+4930901820"],
    ["650 253 0000", "650 253 0000"],
    ["+1", "+1"],
    ["call me", "call me"],
  ])("%s is stored as %s", (given, stored) => {
    expect(check(profile.props.phone, given)).toEqual({ value: stored });
  });
});

describe("preferences", () => {
  const { language, timezone } = PARAMS.updatePreferences as unknown as Record<string, fields.Field>;
  test.each([
    ["EN-us", "en-US"],
    ["zh-hant-tw", "zh-Hant-TW"],
    ["de", "de"],
  ])("the language %s is stored as %s", (given, stored) => {
    expect(check(language as fields.Field, given)).toEqual({ value: stored });
  });
  test.each(["", "en_US", "e", null, "x".repeat(101)])("the language can't be %j", (given) => {
    expect(check(language as fields.Field, given)).toEqual(refused);
  });
  test.each(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])("the time zone may be %s", (zone) => {
    expect(check(timezone as fields.Field, zone)).toEqual({ value: zone });
  });
  test.each(["Mars/Olympus", "+01:00", "", null])("the time zone can't be %j", (zone) => {
    expect(check(timezone as fields.Field, zone)).toEqual(refused);
  });
});

test("a field with a default may be omitted; null is refused like any other invalid value", () => {
  const ttl = fields.withDefault(fields.integer(1, 10), 5);
  expect(check(ttl, undefined)).toEqual({ value: 5 });
  expect(check(ttl, 7)).toEqual({ value: 7 });
  for (const wrong of [null, 0, 11, "7"]) expect(check(ttl, wrong)).toEqual(refused);
  expect(check(fields.withDefault(fields.integer(1, 10, { convert: true }), 5), "7")).toEqual({ value: 7 });
  expect(check(fields.withDefault(fields.text(1, 5), "x"), " ab ")).toEqual({ value: "ab" });
});

test("a field that excludes another one is refused only if both are given", () => {
  const schema = toParams({
    a: fields.optional(fields.text(1, 5)),
    b: notWith("a", fields.optional(fields.uuid())),
  });
  const id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  for (const alone of [{}, { a: "x" }, { b: id }]) expect(checkParams(schema, alone)).toEqual([]);
  for (const wrong of [{ b: "x" }, { b: null }, { a: "x", b: id }])
    expect(checkParams(schema, wrong)).toEqual([{ field: "b", message: expect.any(String) }]);
});

test("the JSON Schema of a record describes its values; a value of several types has no type", () => {
  const value = fields.described("Any", fields.nullable(either(fields.anyText(), fields.flag())));
  expect(toJsonSchema(record(fields.object({ value })))).toEqual({
    type: "object",
    additionalProperties: {
      type: "object",
      properties: { value: { description: "Any" } },
      required: ["value"],
      additionalProperties: false,
    },
  });
});
