import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { allRows, createUser, newUser, type Person } from "../helpers/people.ts";
import { type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Malicious and malformed input: each request gets a 4xx, and no row changes. */
let service: TestService;
let person: Person;
let victim: Person;
let rows: unknown;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
  victim = await createUser(service);
  rows = await allRows(service);
});
afterAll(() => service.stop());

const own = (rest = "") => `/api/v1/users/${person.id}${rest}`;
/** Sends a request as the owner, who has access to all these routes. */
const ask = ({ headers, ...asked }: Asked) =>
  request(service.url, { ...asked, headers: { ...person.headers, ...headers } });
const unchanged = async () => expect(await allRows(service)).toEqual(rows);

describe("a body that is not acceptable", () => {
  const deep = (depth: number) => `{"profile":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
  const lists = (depth: number) => `{"profile":{"bio":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
  const gzip = { "content-encoding": "gzip" };
  const type = (value: string) => ({ "content-type": value });
  test.each<[string, Asked["body"], number, Asked["headers"]?]>([
    ["broken JSON", "{", 400],
    ["JSON with something after it", "{} {}", 400],
    ["a list", "[]", 400],
    ["a list of profiles", '[{"profile":{"bio":"x"}}]', 400],
    ["null", "null", 400],
    ["a text", '"profile"', 400],
    ["a number", "1", 400],
    ["false", "false", 400],
    ["NaN", '{"profile":NaN}', 400],
    ["XML", "<a/>", 400, type("application/xml")],
    ["plain text", '{"profile":{"bio":"x"}}', 400, type("text/plain")],
    ["a form", "profile[bio]=x", 400, type("application/x-www-form-urlencoded")],
    ["multipart", "--b--", 400, type("multipart/form-data; boundary=b")],
    ["no content type", '{"profile":{"bio":"x"}}', 400, type("")],
    ["a type that only starts like JSON", '{"profile":{"bio":"x"}}', 400, type("application/jsonx")],
    ["an unknown charset", '{"profile":{"bio":"x"}}', 400, type("application/json; charset=klingon")],
    ["bytes that are not UTF-8", Buffer.from('{"profile":{"bi\xff":"x"}}', "latin1"), 400],
    ["2 MB", JSON.stringify({ profile: { bio: "x".repeat(2 ** 21) } }), 413],
    ["one byte over 1 MB", `{"profile":{}}${" ".repeat(2 ** 20 - 13)}`, 413],
    ["2 MB in gzip", gzipSync(JSON.stringify({ profile: { bio: "x".repeat(2 ** 21) } })), 413, gzip],
    ["invalid gzip", '{"profile":{"bio":"x"}}', 400, gzip],
    ["gzip that is cut off", gzipSync('{"profile":{"bio":"x"}}').subarray(0, -9), 400, gzip],
    ["an unknown encoding", '{"profile":{"bio":"x"}}', 400, { "content-encoding": "x-nothing" }],
    ["JSON 100 deep", deep(100), 400],
    ["JSON 100,000 deep", deep(100_000), 400],
    ["lists 100,000 deep", lists(100_000), 400],
    ["NUL in a text", '{"profile":{"bio":"a\\u0000b"}}', 400],
    ["a lone surrogate in a text", '{"profile":{"bio":"a\\ud800b"}}', 400],
    ["NUL in a field's name", '{"pro\\u0000file":1}', 400],
    ["1e400", '{"profile":{"bio":1e400}}', 400],
    ["__proto__", '{"__proto__":{"profile":{"bio":"x"}}}', 400],
    ["__proto__ inside", '{"profile":{"__proto__":{"bio":"x"}}}', 400],
    ["constructor", '{"constructor":{"prototype":{"bio":"x"}}}', 400],
    ["toString", '{"profile":{"toString":1,"bio":"x"}}', 400],
    [
      "10,000 unknown fields",
      JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, 1]))),
      400,
    ],
    ["an empty field's name", '{"":1}', 400],
    ["a moustache", '{"{{id}}":1}', 400],
  ])("%s is refused and changes nothing", async (_, body, ...[status, headers]) => {
    const answer = await ask({ method: "PATCH", path: own(), body, headers });
    expect([answer.status, answer.body.message]).toEqual([status, expect.not.stringMatching(/^$/)]);
    expect(answer.body).toMatchObject(errorBody(status, expect.any(String), own()));
    await unchanged();
  });

  test("a body sent in chunks, without a length, has the same limit", async () => {
    const headers = { ...person.headers, "content-type": "application/json" };
    const body = new Blob(['{"profile":{"bio":"', "x".repeat(2 ** 21), '"}}']).stream();
    const init = { method: "PATCH", headers, body, duplex: "half" } as RequestInit;
    expect((await fetch(service.url + own(), init)).status).toBe(413);
    await unchanged();
  });

  test("a limit of 1e400 is 400 and changes nothing", async () => {
    const asked = {
      method: "PATCH",
      path: own("/quotas"),
      body: '{"maxInterviews":1e400}',
      headers: service.internal,
    };
    expect(
      fieldsOf(
        (
          await request(service.url, {
            ...asked,
            headers: { ...asked.headers, "content-type": "application/json" },
          })
        ).body,
      ),
    ).toEqual(["maxInterviews"]);
    await unchanged();
  });
});

test.each<[string, Asked["body"], Asked["headers"]?]>([
  ["nothing", undefined],
  ["nothing, with a type", "", { "content-type": "application/json" }],
  ["nothing, with another type", "", { "content-type": "text/plain" }],
  ["an empty object", "{}"],
  ["an empty object of exactly 1 MB", `{}${" ".repeat(2 ** 20 - 2)}`],
  ["an empty object in gzip", gzipSync("{}"), { "content-encoding": "gzip" }],
  ["JSON with a charset", "{}", { "content-type": "Application/JSON; charset=UTF-8" }],
])("a PATCH of %s is 200", async (_, body, ...[headers]) => {
  expect((await ask({ method: "PATCH", path: own(), body, headers })).status).toBe(200);
  await unchanged();
});

test.each(["webp=1", "width=64", "utm=1&utm=2", "id=1", "ifNoneMatch=x"])(
  "an unknown field in the query of an avatar is ignored: ?%s",
  async (query) => {
    const { body } = await ask({ path: own(`/avatar?${query}`) });
    expect(body).toEqual(errorBody(404, "Avatar not found", own("/avatar")));
  },
);

test.each<[string, Asked["body"]]>([
  ["Latin-1 in a value", Buffer.from('{"profile":{"bio":"M\xfcller"}}', "latin1")],
  ["a cut-off UTF-8 character", Buffer.from('{"profile":{"bio":"\xe2\x82"}}', "latin1")],
  ["an overlong UTF-8 character", Buffer.from('{"profile":{"bio":"\xc0\xaf"}}', "latin1")],
  ["a surrogate in UTF-8", Buffer.from('{"profile":{"bio":"\xed\xa0\x80"}}', "latin1")],
  ["an escaped __proto__", '{"profile":{"\\u005f_proto_\\u005F":{"bio":"x"}}}'],
  ["UTF-16", Buffer.from("{}", "utf16le")],
])("JSON with %s is 400 and changes nothing", async (_, body) => {
  const answer = await ask({
    method: "PATCH",
    path: own(),
    body,
    headers: { "content-type": "application/json" },
  });
  expect(answer.body).toEqual(errorBody(400, expect.stringMatching(/JSON|__proto__/), own()));
  await unchanged();
});

test("an answer has at most 100 details", async () => {
  const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, 1]));
  for (const body of [fields, { profile: fields }])
    expect(fieldsOf((await ask({ method: "PATCH", path: own(), body })).body)).toHaveLength(100);
});

describe("input in an unexpected place:", () => {
  test.each<[string, () => Asked, number, string[]?]>([
    [
      "a query in addition to a body",
      () => ({ method: "PATCH", path: own("?profile=x"), body: {} }),
      400,
      ["profile"],
    ],
    [
      "a query that would redirect a PATCH to another user",
      () => ({ method: "PATCH", path: own(`?id=${victim.id}`), body: { profile: { bio: "x" } } }),
      400,
      ["id"],
    ],
    [
      "a body that would redirect a PATCH to another user",
      () => ({ method: "PATCH", path: own(), body: { id: victim.id, profile: { bio: "x" } } }),
      400,
      ["id"],
    ],
    [
      "a body that repeats the path's id",
      () => ({ method: "PATCH", path: own(), body: { id: person.id } }),
      400,
      ["id"],
    ],
    [
      "a query that would redirect a GET to another user",
      () => ({ path: own(`?id=${victim.id}`) }),
      400,
      ["id"],
    ],
    [
      "a query that would turn a DELETE to another",
      () => ({ method: "DELETE", path: own(`?id=${victim.id}`) }),
      400,
      ["id"],
    ],
    [
      "a body that would turn a DELETE to another",
      () => ({ method: "DELETE", path: own(), body: { id: victim.id } }),
      400,
      ["id"],
    ],
    ["an unknown query", () => ({ path: own("?fields=email") }), 400, ["fields"]],
    ["__proto__ in the query", () => ({ path: own("?__proto__=1") }), 400, ["__proto__"]],
    [
      "__proto__ in the query, nested",
      () => ({ path: own("?__proto__[admin]=1") }),
      400,
      ["__proto__[admin]"],
    ],
    [
      "a query that would choose another user for me",
      () => ({ path: `/api/v1/users/me?keycloakId=${victim.keycloakId}` }),
      400,
      ["keycloakId"],
    ],
    [
      "a query that would redirect an upload to another user",
      () => ({
        method: "POST",
        path: own(`/avatar?id=${victim.id}`),
        body: "--b--",
        headers: { "content-type": "multipart/form-data; boundary=b" },
      }),
      400,
      ["id"],
    ],
    ["a body on a GET", () => ({ path: own(), body: { id: victim.id } }), 400],
  ])("%s is refused", async (_, asked, ...[status, fields]) => {
    const { path, ...rest } = asked();
    const answer = await ask({ path, ...rest });
    expect(answer.body).toEqual(errorBody(status, expect.any(String), path.split("?")[0], fields));
    await unchanged();
  });

  test("a sign-up with a query or with a field of the path is 400, and creates no user", async () => {
    const asked = { method: "POST", path: "/api/v1/users?keycloakId=other", body: newUser() };
    const { status } = await request(service.url, { ...asked, headers: { ...service.internal } });
    expect(status).toBe(400);
    await unchanged();
  });
});

test.each<[string, number]>([
  ["/api/v1/users/%00", 400],
  ["/api/v1/users/%zz", 400],
  ["/api/v1/users/%", 400],
  ["/api/v1/users/%ff", 400],
  ["/api/v1/users/by-keycloak/%00", 400],
  ["/api/v1/users/by-keycloak/%ed%a0%80", 400],
  [`/api/v1/users/by-keycloak/${"k".repeat(256)}`, 400],
  ["/api/v1/users/by-email/a%00@x.org", 400],
  ["/api/v1/users/by-email/nonsense", 400],
  ["/api/v1/users/..%2f..%2fmetrics", 400],
  ["/api/v1/users/me%20", 400],
  ["/api/v1/users?search=%zz", 200],
  ["/api/v1/users?search=%ff", 200],
  ["/api/v1/users?%00=1", 400],
  ["/api/v1/users?&&", 200],
  ["/api/v1/%zz", 404],
  ["/%00", 404],
  [`/${"x".repeat(8000)}`, 404],
  ["/api/v1/users/00000000-0000-0000-0000-000000000000", 404],
  ["/api/v1/users/00000000000000000000000000000000", 400],
  ["/api/v1/users/{00000000-0000-0000-0000-000000000000}", 400],
])("GET %s is %d", async (path, status) => {
  const answer = await request(service.url, { path, headers: service.internal });
  expect(answer.status).toBe(status);
  if (status >= 400) expect(answer.body).toMatchObject(errorBody(status, expect.any(String)));
  await unchanged();
});

describe("a failure that is not the client's fault", () => {
  test("is 500 without its cause", async () => {
    await service.database.sql("ALTER TABLE users RENAME COLUMN bio TO story");
    const path = `/api/v1/users/by-keycloak/${person.keycloakId}`;
    const answer = await ask({ path });
    await service.database.sql("ALTER TABLE users RENAME COLUMN story TO bio");
    expect(answer.body).toEqual(errorBody(500, "Internal server error", path));
  });

  test("is 503 with Retry-After if a service is unavailable", async () => {
    const stats = service.broker.getLocalService("stats");
    await service.broker.destroyService(stats);
    const answer = await ask({ path: own("/stats") });
    service.broker.createService(stats.originalSchema);
    expect(answer.body).toEqual(errorBody(503, expect.any(String), own("/stats")));
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  });
});
