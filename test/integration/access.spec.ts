import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { TABLE } from "../helpers/access-table.ts";
import { badTokens, tokenUntil } from "../helpers/bad-tokens.ts";
import { allRows, createUser, newUser, type Person } from "../helpers/people.ts";
import { type Asked, request, requestAs } from "../helpers/request.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let stranger: Person;
let bad: Record<string, string>;
let adminHeaders: object;
beforeAll(async () => {
  service = await startService();
  stranger = await createUser(service);
  bad = await badTokens();
  adminHeaders = await service.admin();
});
afterAll(() => service.stop());

type Caller = "self" | "other" | "admin" | "internal" | "nobody";
const users = "/api/v1/users";

test("the access table has every route", async () => {
  const { ROUTES } = await import("../../services/api/api.routes.ts");
  const routes = TABLE.map(([route]) => route).filter((route) => route.includes("/users"));
  expect(routes.sort()).toEqual(Object.keys(ROUTES).sort());
});

describe.each(TABLE)(
  "access: %s",
  (route, call, self = 0, other = 0, admin = 0, internal = 0, nobody = 0) => {
    const ask = (asked: Asked, headers: object) => requestAs(service.url, headers, asked);
    const isOpen = nobody !== 401;

    test("each caller gets the status of the table", async () => {
      const answered: Partial<Record<Caller, number>> = {};
      const askAs = async (caller: Caller, person: Person, headers: object) => {
        answered[caller] = (await ask(call(person), headers)).status;
        await service.database.sql(
          "DELETE FROM users WHERE keycloak_id = 'stranger-to-be' OR email = 'moved@example.com'",
        );
      };
      const own = await createUser(service);
      const another = await createUser(service); // a new person, because the call may delete it
      await askAs("nobody", own, {}); // neither this caller nor the next changes the user, all others do
      await askAs("other", own, another.headers);
      await askAs("self", own, own.headers);
      await askAs("admin", await createUser(service), adminHeaders);
      await askAs("internal", await createUser(service), service.internal);
      expect(answered).toEqual({ self, other, admin, internal, nobody });
      await service.database.sql("DELETE FROM users WHERE id <> $1", [stranger.id]);
    });

    test("some bad tokens are refused, other ones at each route, and change nothing", async () => {
      const before = await allRows(service);
      const row = TABLE.findIndex(([name]) => name === route);
      const some = Object.entries(bad).filter((_, n) => n % 8 === row % 8); // test:slow asks each route with all
      const answered: Record<string, unknown> = {};
      for (const [title, authorization] of some)
        answered[title] = (await ask(call(stranger), { authorization })).status;
      expect(answered).toEqual(Object.fromEntries(some.map(([title]) => [title, nobody])));
      expect(await allRows(service)).toEqual(before);
    });

    test("a wrong internal token is 401, also with a valid user token", async () => {
      if (isOpen) return expect((await ask(call(stranger), {})).status).toBe(nobody);
      const before = await allRows(service);
      const wrong = [
        INTERNAL_TOKEN.slice(0, -1),
        `${INTERNAL_TOKEN}x`,
        "",
        INTERNAL_TOKEN.toUpperCase(),
        "ü",
      ];
      for (const token of wrong)
        for (const headers of [{}, stranger.headers, adminHeaders])
          expect((await ask(call(stranger), { ...headers, "x-internal-token": token })).status).toBe(401);
      const right = { ...service.internal, authorization: bad.garbage };
      expect((await ask(call(stranger), right)).status).toBe(401);
      expect(await allRows(service)).toEqual(before);
    });
  },
);

describe("WWW-Authenticate names only the check that a refused token failed", () => {
  const MALFORMED = "it is malformed, or not signed with a key of the realm";
  test.each([
    { title: "expired", message: "Token expired", reason: "it expired (exp)" },
    { title: "not valid yet", reason: "it is not valid yet (nbf)" },
    { title: "of another audience", reason: "its audience (aud) is not this service" },
    { title: "without audience", reason: "its audience (aud) is not this service" },
    { title: "of another issuer", reason: "its issuer (iss) is not the realm of this service" },
    { title: "without sub", reason: "its claim sub is missing or not valid" },
    { title: "with an empty sub", reason: "the claim sub is empty" },
    { title: "without exp", reason: "its claim exp is missing or not valid" },
    { title: "an ID token", reason: "it is not an access token (typ)" },
    { title: "a refresh token", reason: "it is not an access token (typ)" },
    { title: "a logout token", reason: "it is not an access token (typ)" },
    { title: "a logout token by its header", reason: "it is not an access token (typ)" },
    { title: "without typ", reason: "it is not an access token (typ)" },
    { title: "an ID token in the header of an access token", reason: "it is not an access token (typ)" },
    { title: "alg none", reason: MALFORMED },
    { title: "ES256 with another key", reason: MALFORMED },
    { title: "with its payload changed", reason: MALFORMED },
    { title: "garbage", reason: MALFORMED },
  ])("$title: $reason", async ({ title, message = "Invalid token", reason }) => {
    const headers = { authorization: bad[title] ?? "" };
    const answer = await service.http.get(`${users}/me`).set(headers).expect(401);
    expect(answer.body.message).toBe(message);
    expect(answer.headers["www-authenticate"]).toBe(
      `Bearer error="invalid_token", error_description="The token is refused: ${reason}"`,
    );
  });

  test.each(["Basic", "Bearer alone", "no scheme"])(
    "WWW-Authenticate gives no reason for %s, which is not a token",
    async (title) => {
      const headers = { authorization: bad[title] ?? "" };
      const answer = await service.http.get(`${users}/me`).set(headers).expect(401);
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
    },
  );

  test("an access token with the header typ of RFC 9068 and without a claim typ is accepted", async () => {
    const token = await tokenUntil(60, { typ: undefined }, { typ: "at+jwt" });
    await service.http.get(users).set(token).expect(200);
  });
});

describe("access: the status of a sign-up by", () => {
  const signUp = (body: object, headers: object) =>
    request(service.url, { method: "POST", path: users, body, headers: { ...headers } });

  type Claims = { sub: string; email?: string; roles?: string[] };
  test.each<[string, Claims, [keycloakId: string, email: string], number]>([
    ["a user, with a token without e-mail", { sub: "a" }, ["a", "a@x.org"], 201],
    [
      "a user, with the token's e-mail in another letter case",
      { sub: "b", email: "B@X.org" },
      ["b", "b@x.org"],
      201,
    ],
    ["a user, with another e-mail than the token's", { sub: "c", email: "c@x.org" }, ["c", "d@x.org"], 403],
    [
      "a user for another keycloakId, with the token's e-mail",
      { sub: "d", email: "d@x.org" },
      ["e", "d@x.org"],
      403,
    ],
    [
      "an admin for another keycloakId",
      { sub: "f", email: "f@x.org", roles: ["admin"] },
      ["g", "g@x.org"],
      201,
    ],
    [
      "a user with roles that only resemble admin, for another keycloakId",
      { sub: "h", roles: ["Admin", "admins"] },
      ["i", "i@x.org"],
      403,
    ],
  ])("%s", async (_, claims, [keycloakId, email], status) => {
    const headers = await service.user(claims.sub, claims);
    expect((await signUp(newUser({ keycloakId, email }), headers)).status).toBe(status);
    const rows = await service.database.sql("SELECT 1 FROM users WHERE keycloak_id = $1", [keycloakId]);
    expect(rows).toHaveLength(status === 201 ? 1 : 0);
  });
});

/** Sets the clocks forward, and leaves all timers real. Undone by jest.useRealTimers and jest.restoreAllMocks. */
function setClockForward(ms: number): void {
  const [date, monotonic] = [Date.now(), performance.now()];
  const timers = ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval"] as const;
  const others = ["clearImmediate", "nextTick", "queueMicrotask", "hrtime", "performance"] as const;
  jest.useFakeTimers({ doNotFake: [...timers, ...others], now: date + ms });
  jest.spyOn(performance, "now").mockReturnValue(monotonic + ms);
}

test("a token is accepted until exactly 5 s after its exp, also if it was accepted just before", async () => {
  const headers = await tokenUntil(-3);
  const ask = async () => (await request(service.url, { path: users, headers })).status;
  expect(await ask()).toBe(200);
  setClockForward(3_100);
  try {
    expect(await ask()).toBe(401);
  } finally {
    jest.useRealTimers();
    jest.restoreAllMocks();
  }
});

test("access: another user gets 403 directly after the owner got 200, and an owner whose user was deleted gets 403", async () => {
  const person = await createUser(service);
  const ask = (headers: object, rest = "") =>
    request(service.url, { path: `${users}/${person.id}${rest}`, headers: { ...headers } });
  for (const rest of ["", "/stats", "/quotas", "/preferences"]) {
    expect((await ask(person.headers, rest)).status).toBe(200);
    expect((await ask(stranger.headers, rest)).status).toBe(403);
  }
  await request(service.url, {
    method: "DELETE",
    path: `${users}/${person.id}`,
    headers: { ...person.headers },
  });
  expect((await ask(person.headers)).status).toBe(404);
});

test("access: a form field id before the file does not redirect an upload to another user", async () => {
  const [person, victim] = [await createUser(service), await createUser(service)];
  const sharp = (await import("sharp")).default;
  const create = { width: 8, height: 8, channels: 3 as const, background: "red" };
  const image = await sharp({ create }).png().toBuffer();
  const answer = await service.http
    .post(`${users}/${person.id}/avatar?`)
    .set(person.headers)
    .field("id", victim.id)
    .attach("file", image, "a.png");
  expect(answer.status).toBe(400);
  const before = await allRows(service);
  expect(before.filter(({ avatar_key }) => avatar_key !== null)).toEqual([]);
  await service.http
    .post(`${users}/${person.id}/avatar`)
    .set(person.headers)
    .attach("file", image, `../${victim.id}/a.png`)
    .expect(200);
  const after = (await allRows(service)).filter(({ avatar_key }) => avatar_key !== null);
  expect(after.map(({ id }) => id)).toEqual([person.id]);
});
