import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { createUser, newUser, type Person } from "../helpers/people.ts";
import { type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let owner: Person;
let other: Person;
let headers: Record<"owner" | "stranger" | "admin" | "internal" | "nobody", Record<string, string>>;
beforeAll(async () => {
  service = await startService();
  owner = await createUser(service);
  other = await createUser(service);
  headers = {
    owner: owner.headers,
    stranger: other.headers,
    admin: await service.admin(),
    internal: service.internal,
    nobody: {},
  };
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const MISSING = randomUUID();
const own = (rest = "") => `${users}/${owner.id}${rest}`;
const missing = (rest = "") => `${users}/${MISSING}${rest}`;
const ask = (as: keyof typeof headers, { headers: more, ...asked }: Asked) =>
  request(service.url, { ...asked, headers: { ...headers[as], ...more } });

type Case = [title: string, as: keyof typeof headers, asked: () => Asked];
const get = (path: string): Asked => ({ path });
const send = (method: string, path: string, body: Asked["body"], more = {}): Asked => ({
  method,
  path,
  body,
  headers: more,
});
const form = (path: string, content: string | Buffer): Asked => {
  const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n';
  const body = Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from("\r\n--b--\r\n")]);
  return { method: "POST", path, body, headers: { "content-type": "multipart/form-data; boundary=b" } };
};
const withField = (path: string): Asked => {
  const { body, ...asked } = form(path, "x");
  const field = '\r\n--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--b--\r\n';
  return { ...asked, body: String(body).replace("\r\n--b--\r\n", field) };
};
const MB5 = Buffer.alloc(5 * 2 ** 20 + 1);
const BIG = { fullName: "x".repeat(2 ** 20) };
const NOT_YOURS = "Access to another user's data is denied";
const UNAUTHORIZED = [401, "Authentication required"] as const;

describe("every error has the body of contract 3:", () => {
  test.each<[...Case, number, () => unknown, string[]?]>([
    ["an id that is not a UUID", "owner", () => get(`${users}/42`), 400, () => "Validation failed", ["id"]],
    [
      "an unknown field",
      "owner",
      () => send("PATCH", own(), { profile: { a: { b: 1 } } }),
      400,
      () => "Validation failed",
      ["profile.a"],
    ],
    [
      "two faults",
      "owner",
      () => send("PUT", own("/profile"), { fullName: 1, bio: 2 }),
      400,
      () => "Validation failed",
      ["fullName", "bio"],
    ],
    [
      "broken JSON",
      "owner",
      () => send("PATCH", own(), '{"profile":'),
      400,
      () => expect.stringMatching(/JSON/),
    ],
    [
      "another content type",
      "owner",
      () => send("PATCH", own(), "a=1", { "content-type": "text/plain" }),
      400,
      () => expect.stringMatching(/Content-Type/),
    ],
    ["no token", "nobody", () => get(own()), 401, () => expect.stringMatching(/./)],
    ["another user's data", "stranger", () => get(own()), 403, () => expect.stringMatching(/./)],
    [
      "an internal route",
      "admin",
      () => send("POST", own("/stats/increment-interviews"), undefined),
      403,
      () => expect.stringMatching(/./),
    ],
    ["an admin route", "owner", () => get(users), 403, () => expect.stringMatching(/./)],
    ["an unknown user", "owner", () => get(missing()), 404, () => `User with ID ${MISSING} not found`],
    [
      "an unknown keycloakId",
      "admin",
      () => get(`${users}/by-keycloak/no-one`),
      404,
      () => "User with Keycloak ID no-one not found",
    ],
    [
      "an unknown e-mail",
      "admin",
      () => get(`${users}/by-email/No%40x.org`),
      404,
      () => "User with email No@x.org not found",
    ],
    ["no avatar", "nobody", () => get(own("/avatar")), 404, () => "Avatar not found"],
    [
      "no avatar to delete",
      "owner",
      () => ({ method: "DELETE", path: own("/avatar") }),
      404,
      () => "Avatar not found",
    ],
    [
      "an e-mail in use",
      "internal",
      () => send("POST", users, newUser({ email: other.email })),
      409,
      () => `User with email ${other.email} already exists`,
    ],
    [
      "an e-mail in use",
      "admin",
      () => send("PUT", own("/email"), { email: other.email }),
      409,
      () => `User with email ${other.email} already exists`,
    ],
    [
      "a keycloakId in use",
      "internal",
      () => send("POST", users, newUser({ keycloakId: owner.keycloakId })),
      409,
      () => `User with Keycloak ID ${owner.keycloakId} already exists`,
    ],
    [
      "an avatar over the limit",
      "owner",
      () => form(own("/avatar"), MB5),
      413,
      () => "Avatar file size exceeds 5MB limit",
    ],
    [
      "another body over the limit",
      "owner",
      () => send("PATCH", own(), BIG),
      413,
      () => expect.stringMatching(/./),
    ],
    [
      "a file that is not an image",
      "owner",
      () => form(own("/avatar"), "text"),
      415,
      () => "Only JPEG and PNG images are supported",
    ],
    ["an unknown route", "nobody", () => get("/api/v1/nothing"), 404, () => expect.stringMatching(/./)],
    [
      "an unknown route outside /api/v1",
      "nobody",
      () => get("/nothing"),
      404,
      () => expect.stringMatching(/./),
    ],
  ])("%s (as %s)", async (_, as, asked, ...[status, message, fields]) => {
    const { path, ...rest } = asked();
    const answer = await ask(as, { path, ...rest });
    expect(answer.body).toEqual(errorBody(status, message(), path, fields));
    expect([answer.status, answer.headers["content-type"]]).toEqual([
      status,
      "application/json; charset=utf-8",
    ]);
  });

  test("the path of an error has no query", async () => {
    const { body } = await ask("owner", get(`${own()}?secret=1`));
    expect(body).toEqual(errorBody(400, "Validation failed", own(), ["secret"]));
  });

  test("a 401 names the scheme, and gives no details that would help an attacker", async () => {
    const answer = await ask("nobody", { path: own(), headers: { "x-internal-token": "wrong" } });
    expect(answer.body).toEqual(errorBody(401, "Invalid internal token", own()));
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
  });
});

describe("the order of the checks", () => {
  test.each<[...Case, number, string?]>([
    ["route before caller", "nobody", () => get("/api/v1/nothing"), 404],
    ["method before caller", "nobody", () => send("PUT", own(), "{"), 405],
    ["caller before syntax", "nobody", () => send("PATCH", own(), "{"), ...UNAUTHORIZED],
    ["caller before the size", "nobody", () => send("PATCH", own(), BIG), ...UNAUTHORIZED],
    ["caller before validation", "nobody", () => get(`${users}/42`), ...UNAUTHORIZED],
    ["caller before the form", "nobody", () => form(own("/avatar"), MB5), ...UNAUTHORIZED],
    [
      "no user has access before syntax",
      "owner",
      () => send("POST", own("/stats/increment-interviews"), "{"),
      403,
    ],
    ["no user has access before validation", "owner", () => get(`${users}?limit=0`), 403],
    ["no user has access before existence", "owner", () => send("PATCH", missing("/quotas"), {}), 403],
    ["syntax before existence", "owner", () => send("PATCH", missing(), "{"), 400],
    ["the size before existence", "owner", () => send("PATCH", missing(), BIG), 413],
    ["validation before existence", "owner", () => send("PATCH", missing(), { a: 1 }), 400],
    ["syntax before ownership", "stranger", () => send("PATCH", own(), "{"), 400],
    ["validation before ownership", "stranger", () => send("PATCH", own(), { a: 1 }), 400],
    [
      "validation before another's keycloakId",
      "stranger",
      () => send("POST", users, { keycloakId: "k" }),
      400,
    ],
    ["existence before ownership", "stranger", () => get(missing()), 404],
    [
      "ownership before an e-mail in use",
      "stranger",
      () => send("POST", users, newUser({ email: owner.email })),
      403,
    ],
    [
      "existence before an e-mail in use",
      "admin",
      () => send("PUT", missing("/email"), { email: owner.email }),
      404,
    ],
    ["the form before ownership", "stranger", () => withField(own("/avatar")), 400],
    ["the form before existence", "owner", () => withField(missing("/avatar")), 400],
    ["the avatar's size before ownership", "stranger", () => form(own("/avatar"), MB5), 413],
    ["the avatar's size before existence", "owner", () => form(missing("/avatar"), MB5), 413],
    ["ownership before the image", "stranger", () => form(own("/avatar"), "text"), 403, NOT_YOURS],
    ["existence before the image", "owner", () => form(missing("/avatar"), "text"), 404],
    [
      "ownership before a missing avatar",
      "stranger",
      () => ({ method: "DELETE", path: own("/avatar") }),
      403,
    ],
  ])("%s (as %s)", async (_, as, asked, ...[status, message]) => {
    const { body } = await ask(as, asked());
    expect(body).toMatchObject({ statusCode: status, ...(message && { message }) });
  });

  test("another's keycloakId is 403 whether it exists or not", async () => {
    for (const keycloakId of [other.keycloakId, "no-one"])
      expect((await ask("owner", get(`${users}/by-keycloak/${keycloakId}`))).status).toBe(403);
  });
});
