import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ROUTES } from "../../services/api/api.routes.ts";
import { OFFERED } from "../../services/contracts.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 23: `/users/me` is the user of the token. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const ask = (asked: Asked, headers: object): Promise<Answered> => requestAs(service.url, headers, asked);
const upload = async (): Promise<Partial<Asked>> => ({
  headers: FORM,
  body: formOf({ filename: "a.jpg", type: "image/jpeg", content: await jpeg() }),
});

/** Every route at `/users/:id` that a user may call, as method and rest of the path. */
const SUFFIXES = OFFERED.flatMap(([, { rest = "", access }]): [string, string][] => {
  const [, method, suffix] = /^(\w+) \/users\/:id(\/.*)?$/.exec(rest) ?? [];
  return method && access !== "internal" ? [[method, suffix ?? ""]] : [];
});

test("every route of /users/:id exists at /users/me, except those that no user may call", () => {
  const expected = SUFFIXES.map(([method, suffix]) => `${method} /users/me${suffix}`);
  const found = Object.keys(ROUTES).filter((route) => / \/users\/me(\/|$)/.test(route));
  expect(found.sort()).toEqual(expected.sort());
  expect(found).toEqual(
    expect.arrayContaining([
      "GET /users/me",
      "PATCH /users/me",
      "DELETE /users/me",
      "PUT /users/me/profile",
      "GET /users/me/avatar",
      "POST /users/me/avatar",
      "DELETE /users/me/avatar",
      "GET /users/me/preferences",
      "PATCH /users/me/preferences",
      "GET /users/me/stats",
      "GET /users/me/quotas",
      "GET /users/me/history",
    ]),
  );
});

const BODIES: Record<string, object> = {
  "PATCH ": { profile: { bio: "mine" } },
  "PUT /profile": { fullName: "New Name" },
  "PUT /email": { email: "mine@example.com" },
  "PATCH /preferences": { language: "de" },
  "PATCH /quotas": { maxInterviews: 3 },
  "POST /revert": { version: 1 },
  "PUT /hold": { reason: "court case" },
  "POST /suspend": { reason: "Sent spam" },
};

/** The values that differ between two users. */
const withoutIds = ({ body }: Answered, { id, keycloakId, email, profile }: Person): unknown => {
  const own = [id, keycloakId, email, profile.fullName];
  const text = own.reduce((text, value) => text.replaceAll(value, "-"), JSON.stringify(body));
  return JSON.parse(
    text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{32}|[0-9a-f-]{36}|users\/(me|-)/g, "-"),
  );
};

test.each(SUFFIXES)("%s /users/me%s has the answer of /users/:id%s for the owner", async (method, suffix) => {
  const roles =
    ["/email", "/quotas", "/revert", "/restore", "/hold", "/suspend", "/activate"].includes(suffix) ||
    method + suffix === "DELETE/erasure"
      ? ["admin"]
      : [];
  const answers = [];
  for (const path of ["me", undefined]) {
    const person = await createUser(service);
    const headers = await service.user(person.keycloakId, { roles });
    if (suffix === "/avatar" && method !== "POST")
      await ask({ method: "POST", path: `${users}/${person.id}/avatar`, ...(await upload()) }, headers);
    const sent =
      suffix === "/avatar" && method === "POST" ? await upload() : { body: BODIES[`${method} ${suffix}`] };
    const asked = { method, path: `${users}/${path ?? person.id}${suffix}`, ...sent };
    const answer = await ask(asked, headers);
    answers.push({ status: answer.status, body: withoutIds(answer, person) });
    await service.database.sql("DELETE FROM users WHERE email = 'mine@example.com'");
  }
  expect(answers[0]).toEqual(answers[1]);
});

describe("/users/me", () => {
  test("changes only the token's own user", async () => {
    const [person, other] = [await createUser(service), await createUser(service)];
    const before = await rowOf(service, other.id);
    const patch = { method: "PATCH", path: `${users}/me`, body: { profile: { bio: "mine" } } };
    const { status, body } = await ask(patch, person.headers);
    expect([status, body.id]).toEqual([200, person.id]);
    await ask({ method: "DELETE", path: `${users}/me` }, person.headers);
    expect(await rowOf(service, person.id)).toMatchObject({ bio: "mine", deleted_at: expect.anything() });
    expect(await rowOf(service, other.id)).toEqual(before);
  });

  const VICTIM = "00000000-0000-4000-8000-000000000000";
  test.each<[string, Asked, string]>([
    ["id in a body", { method: "PATCH", path: `${users}/me`, body: { id: VICTIM } }, "id"],
    [
      "id in a body with other fields",
      { method: "PUT", path: `${users}/me/profile`, body: { id: VICTIM, fullName: "New Name" } },
      "id",
    ],
    ["id in the query of a GET", { path: `${users}/me/preferences?id=${VICTIM}` }, "id"],
    ["id in the query of a DELETE", { method: "DELETE", path: `${users}/me?id=${VICTIM}` }, "id"],
    ["keycloakId in the query", { path: `${users}/me?keycloakId=x` }, "keycloakId"],
  ])("refuses %s with 400, and nothing changes", async (_, asked, field) => {
    const person = await createUser(service);
    const before = await allRows(service);
    const answer = await ask(asked, person.headers);
    expect([answer.status, fieldsOf(answer.body)]).toEqual([400, [field]]);
    expect(await allRows(service)).toEqual(before);
  });

  test.each(SUFFIXES)(
    "%s /users/me%s is 404 for a token whose user does not exist",
    async (method, suffix) => {
      const sub = crypto.randomUUID();
      const headers = await service.user(sub, { roles: ["admin"] });
      const sent =
        method === "POST" && suffix === "/avatar" ? await upload() : { body: BODIES[`${method} ${suffix}`] };
      const { body } = await ask({ method, path: `${users}/me${suffix}`, ...sent }, headers);
      expect(body).toEqual(
        errorBody(404, `User with Keycloak ID ${sub} not found`, `/api/v1/users/me${suffix}`),
      );
    },
  );

  test("an invalid body is 400, also if the user does not exist", async () => {
    const headers = await service.user(crypto.randomUUID());
    const patch = { method: "PATCH", path: `${users}/me`, body: { profile: { fullName: "x" } } };
    const answer = await ask(patch, headers);
    expect([answer.status, fieldsOf(answer.body)]).toEqual([400, ["profile.fullName"]]);
  });

  test("honours If-Match and If-None-Match", async () => {
    const person = await createUser(service);
    const path = `${users}/me`;
    const { etag = "" } = (await ask({ path }, person.headers)).headers;
    const given = { ...person.headers, "if-none-match": etag };
    for (const rest of ["", "/preferences", "/quotas"])
      expect((await ask({ path: path + rest }, given)).status).toBe(304);
    const patch = { method: "PATCH", path, body: { profile: { bio: "mine" } } };
    const stale = { ...person.headers, "if-match": '"0"' };
    expect((await ask(patch, stale)).body).toMatchObject({ statusCode: 412 });
    expect((await ask(patch, { ...person.headers, "if-match": etag })).status).toBe(200);
    const form = { method: "POST", path: `${path}/avatar`, ...(await upload()) };
    expect((await ask(form, stale)).status).toBe(412);
  });

  test("caches cannot mix up the answers of two users, because each is private, revalidated and varies by token", async () => {
    const person = await createUser(service);
    await ask({ method: "POST", path: `${users}/me/avatar`, ...(await upload()) }, person.headers);
    for (const rest of ["", "/preferences", "/stats", "/avatar", "/avatar?v=1"]) {
      const { status, headers } = await ask({ path: `${users}/me${rest}` }, person.headers);
      expect([rest, status, headers["cache-control"]]).toEqual([rest, 200, "private, no-cache"]);
      expect(headers.vary).toMatch(/^Authorization\b/);
    }
    const own = await ask({ path: `${users}/${person.id}/avatar` }, {});
    expect([own.headers["cache-control"], own.headers.vary]).toEqual(["public, max-age=300", "Accept"]);
  });

  test("after a deletion and a new sign-up, it is the new user at once", async () => {
    const person = await createUser(service);
    await ask({ method: "DELETE", path: `${users}/me` }, person.headers);
    const again = await createUser(service, { keycloakId: person.keycloakId });
    const patch = { method: "PATCH", path: `${users}/me`, body: { profile: { bio: "again" } } };
    expect((await ask(patch, person.headers)).body.id).toBe(again.id);
  });
});
