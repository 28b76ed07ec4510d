import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { badTokens, tokenUntil } from "../helpers/bad-tokens.ts";
import { allRows, createUser, newUser, type Person } from "../helpers/people.ts";
import { type Asked, request, requestAs } from "../helpers/request.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let stranger: Person;
let bad: Record<string, string>;
beforeAll(async () => {
  service = await startService();
  stranger = await createUser(service);
  bad = await badTokens();
});
afterAll(() => service.stop());

const users = "/api/v1/users";
type Call = (person: Person) => Asked;
const get =
  (rest: string | ((person: Person) => string)): Call =>
  (person) => ({ path: `${users}/${typeof rest === "string" ? person.id + rest : rest(person)}` });
const send =
  (method: string, rest = "", body?: object): Call =>
  ({ id }) => ({ method, path: `${users}/${id}${rest}`, body });
const upload: Call = ({ id }) => ({
  method: "POST",
  path: `${users}/${id}/avatar`,
  headers: { "content-type": "multipart/form-data; boundary=b" },
  body: '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nno image\r\n--b--\r\n',
});

/** The same call for "me" in place of the person's id. */
const mine =
  (call: Call): Call =>
  (person) =>
    call({ ...person, id: "me" });

type Callers = Record<"self" | "other" | "admin" | "internal" | "nobody", number>;
/** The status for each caller (contract 2). "nobody" sends no token, or a bad one. 404 and 415 mean that access was granted. */
// biome-ignore format: a table
const TABLE: [string, Call, ...number[]][] = [
  //                                            self other admin internal nobody
  ["POST /users", () => ({ method: "POST", path: users, body: newUser({ keycloakId: "stranger-to-be" }) }), 403, 403, 201, 201, 401],
  ["GET /users/:id", get(""),                                  200, 403, 200, 200, 401],
  ["GET /users/by-keycloak/:keycloakId", get(({ keycloakId }) => `by-keycloak/${keycloakId}`), 200, 403, 200, 200, 401],
  ["PUT /users/by-keycloak/:keycloakId", ({ keycloakId, email }) => ({ method: "PUT", path: `${users}/by-keycloak/${keycloakId}`, body: { email, profile: { fullName: "New Name" } } }), 200, 403, 200, 200, 401],
  ["PATCH /users/:id", send("PATCH", "", { profile: { bio: "x" } }), 200, 403, 200, 200, 401],
  ["DELETE /users/:id", send("DELETE"),                        200, 403, 200, 200, 401],
  ["PUT /users/:id/profile", send("PUT", "/profile", { fullName: "New Name" }), 200, 403, 200, 200, 401],
  ["POST /users/:id/avatar", upload,                           415, 403, 415, 415, 401],
  ["DELETE /users/:id/avatar", send("DELETE", "/avatar"),      404, 403, 404, 404, 401],
  ["GET /users/:id/stats", get("/stats"),                      200, 403, 200, 200, 401],
  ["POST /users/:id/stats/increment-interviews", send("POST", "/stats/increment-interviews"), 403, 403, 403, 200, 401],
  ["GET /users/me", get(() => "me"),                           200, 200, 404, 401, 401],
  ["GET /users/by-email/:email", get(({ email }) => `by-email/${email}`), 403, 403, 200, 200, 401],
  ["PUT /users/:id/email", send("PUT", "/email", { email: "moved@example.com" }), 403, 403, 200, 200, 401],
  ["GET /users", () => ({ path: users }),                      403, 403, 200, 200, 401],
  ["POST /users/lookup", ({ id }) => ({ method: "POST", path: `${users}/lookup`, body: { ids: [id] } }), 403, 403, 200, 200, 401],
  ["GET /users/:id/avatar", get("/avatar"),                    404, 404, 404, 404, 404],
  ["GET /users/:id/preferences", get("/preferences"),          200, 403, 200, 200, 401],
  ["PATCH /users/:id/preferences", send("PATCH", "/preferences", { language: "de" }), 200, 403, 200, 200, 401],
  ["GET /users/:id/quotas", get("/quotas"),                    200, 403, 200, 200, 401],
  ["PATCH /users/:id/quotas", send("PATCH", "/quotas", { maxInterviews: 1 }), 403, 403, 200, 200, 401],
  ["POST /users/:id/quota/reservations", send("POST", "/quota/reservations", { resource: "interviews" }), 403, 403, 403, 201, 401],
  ["POST /users/:id/quota/reservations/:reservationId/commit", send("POST", "/quota/reservations/00000000-0000-4000-8000-000000000000/commit"), 403, 403, 403, 404, 401],
  ["DELETE /users/:id/quota/reservations/:reservationId", send("DELETE", "/quota/reservations/00000000-0000-4000-8000-000000000000"), 403, 403, 403, 404, 401],
  ["GET /users/:id/history", get("/history"),                  200, 403, 200, 200, 401],
  ["GET /users/:id/identity", get("/identity"),                200, 403, 200, 200, 401],
  ["POST /users/:id/suspend", send("POST", "/suspend", { reason: "Sent spam" }), 403, 403, 200, 200, 401],
  ["POST /users/:id/activate", send("POST", "/activate"),      403, 403, 200, 200, 401],
  ["POST /users/:id/revert", send("POST", "/revert", { version: 1 }), 403, 403, 200, 403, 401],
  ["GET /users/:id/export", get("/export"),                    200, 403, 200, 403, 401],
  ["POST /users/:id/erasure", send("POST", "/erasure"),        202, 403, 202, 403, 401],
  ["GET /users/:id/erasure", get("/erasure"),                  404, 403, 404, 403, 401],
  ["DELETE /users/:id/erasure", send("DELETE", "/erasure"),    403, 403, 404, 403, 401],
  ["PUT /users/:id/hold", send("PUT", "/hold", { reason: "court case" }), 403, 403, 200, 403, 401],
  ["DELETE /users/:id/hold", send("DELETE", "/hold"),          403, 403, 404, 403, 401],
  ["POST /users/:id/restore", send("POST", "/restore"),        403, 403, 200, 403, 401],
  ["PATCH /users/me", mine(send("PATCH", "", { profile: { bio: "x" } })), 200, 200, 404, 401, 401],
  ["DELETE /users/me", mine(send("DELETE")),                   200, 200, 404, 401, 401],
  ["PUT /users/me/profile", mine(send("PUT", "/profile", { fullName: "New Name" })), 200, 200, 404, 401, 401],
  ["PUT /users/me/email", mine(send("PUT", "/email", { email: "moved@example.com" })), 403, 403, 404, 401, 401],
  ["GET /users/me/avatar", mine(get("/avatar")),               404, 404, 404, 401, 401],
  ["POST /users/me/avatar", mine(upload),                      415, 415, 404, 401, 401],
  ["DELETE /users/me/avatar", mine(send("DELETE", "/avatar")), 404, 404, 404, 401, 401],
  ["GET /users/me/preferences", mine(get("/preferences")),     200, 200, 404, 401, 401],
  ["PATCH /users/me/preferences", mine(send("PATCH", "/preferences", { language: "de" })), 200, 200, 404, 401, 401],
  ["GET /users/me/stats", mine(get("/stats")),                 200, 200, 404, 401, 401],
  ["GET /users/me/quotas", mine(get("/quotas")),               200, 200, 404, 401, 401],
  ["GET /users/me/history", mine(get("/history")),             200, 200, 404, 401, 401],
  ["GET /users/me/identity", mine(get("/identity")),           200, 200, 404, 401, 401],
  ["POST /users/me/suspend", mine(send("POST", "/suspend", { reason: "Sent spam" })), 403, 403, 404, 401, 401],
  ["POST /users/me/activate", mine(send("POST", "/activate")), 403, 403, 404, 401, 401],
  ["POST /users/me/revert", mine(send("POST", "/revert", { version: 1 })), 403, 403, 404, 403, 401],
  ["GET /users/me/export", mine(get("/export")),               200, 200, 404, 403, 401],
  ["POST /users/me/erasure", mine(send("POST", "/erasure")),   202, 202, 404, 403, 401],
  ["GET /users/me/erasure", mine(get("/erasure")),             404, 404, 404, 403, 401],
  ["DELETE /users/me/erasure", mine(send("DELETE", "/erasure")), 403, 403, 404, 403, 401],
  ["PUT /users/me/hold", mine(send("PUT", "/hold", { reason: "court case" })), 403, 403, 404, 403, 401],
  ["DELETE /users/me/hold", mine(send("DELETE", "/hold")),     403, 403, 404, 403, 401],
  ["POST /users/me/restore", mine(send("POST", "/restore")),   403, 403, 404, 403, 401],
  ["PATCH /users/me/quotas", mine(send("PATCH", "/quotas", { maxInterviews: 1 })), 403, 403, 404, 401, 401],
  ["GET /health", () => ({ path: "/health" }),                 200, 200, 200, 200, 200],
  ["GET /health/live", () => ({ path: "/health/live" }),       200, 200, 200, 200, 200],
  ["GET /health/ready", () => ({ path: "/health/ready" }),     200, 200, 200, 200, 200],
  ["GET /metrics", () => ({ path: "/metrics" }),               200, 200, 200, 200, 200],
];

test("the access table has every route", async () => {
  const { ROUTES } = await import("../../services/api/api.routes.ts");
  const routes = TABLE.map(([route]) => route).filter((route) => route.includes("/users"));
  expect(routes.sort()).toEqual(Object.keys(ROUTES).sort());
});

describe.each(TABLE)("access: %s", (_, call, self = 0, other = 0, admin = 0, internal = 0, nobody = 0) => {
  const ask = (asked: Asked, headers: object) => requestAs(service.url, headers, asked);
  const isOpen = nobody !== 401;

  test("each caller gets the status of the table", async () => {
    const headersOf: Record<keyof Callers, (person: Person) => object> = {
      self: ({ headers }) => headers,
      other: () => another.headers,
      admin: () => adminHeaders,
      internal: () => service.internal,
      nobody: () => ({}),
    };
    const adminHeaders = await service.admin();
    const another = await createUser(service); // a new one, as it may delete itself
    const answered: Partial<Callers> = {};
    for (const [caller, headers] of Object.entries(headersOf)) {
      const person = await createUser(service); // a new one each time, because calls change it
      answered[caller as keyof Callers] = (await ask(call(person), headers(person))).status;
      await service.database.sql("DELETE FROM users WHERE id = $1 OR keycloak_id = 'stranger-to-be'", [
        person.id,
      ]);
    }
    expect(answered).toEqual({ self, other, admin, internal, nobody });
  });

  test("each bad token is refused and changes nothing", async () => {
    const person = await createUser(service);
    const before = await allRows(service);
    const answered: Record<string, unknown> = {};
    for (const [title, authorization] of Object.entries(bad))
      answered[title] = (await ask(call(person), { authorization })).status;
    const expected = Object.keys(bad).map((title) => [title, nobody]);
    expect(answered).toEqual(Object.fromEntries(expected));
    expect(await allRows(service)).toEqual(before);
  });

  test("a wrong internal token is 401, also with a valid user token", async () => {
    if (isOpen) return expect((await ask(call(stranger), {})).status).toBe(nobody);
    const person = await createUser(service);
    const before = await allRows(service);
    const wrong = [INTERNAL_TOKEN.slice(0, -1), `${INTERNAL_TOKEN}x`, "", INTERNAL_TOKEN.toUpperCase(), "ü"];
    for (const token of wrong)
      for (const headers of [{}, person.headers, await service.admin()])
        expect((await ask(call(person), { ...headers, "x-internal-token": token })).status).toBe(401);
    const right = { ...service.internal, authorization: bad.garbage };
    expect((await ask(call(person), right)).status).toBe(401);
    expect(await allRows(service)).toEqual(before);
  });
});

describe("WWW-Authenticate names the check that a refused token failed, and nothing more", () => {
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
    "%s is no token, so there is nothing to explain",
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

describe("access: sign-up by", () => {
  const signUp = (body: object, headers: object) =>
    request(service.url, { method: "POST", path: users, body, headers: { ...headers } });

  type Claims = { sub: string; email?: string; roles?: string[] };
  test.each<[string, Claims, [keycloakId: string, email: string], number]>([
    ["oneself, with a token without e-mail", { sub: "a" }, ["a", "a@x.org"], 201],
    ["oneself, with the token's e-mail in any case", { sub: "b", email: "B@X.org" }, ["b", "b@x.org"], 201],
    ["oneself, with another e-mail than the token's", { sub: "c", email: "c@x.org" }, ["c", "d@x.org"], 403],
    ["another, with the token's e-mail", { sub: "d", email: "d@x.org" }, ["e", "d@x.org"], 403],
    ["another, as an admin", { sub: "f", email: "f@x.org", roles: ["admin"] }, ["g", "g@x.org"], 201],
    [
      "another, with roles that sound like admin",
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

test("a token is accepted until 5 s after its exp and no longer, also if it was accepted just before", async () => {
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

test("access: another user gets 403 right after the owner got 200, and an owner whose user was deleted gets 403", async () => {
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
