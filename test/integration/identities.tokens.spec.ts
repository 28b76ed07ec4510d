import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import pg from "pg";
import { call } from "../../lib/contract/call.ts";
import { REST_ROUTES } from "../../services/api/api.routes.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { admin, person, requestsOf, service, turnTo, USERS, withOneUser } from "../helpers/one-user.ts";
import { allRows, createUser } from "../helpers/people.ts";
import { type Asked, type Headers, requestAs } from "../helpers/request.ts";

/** Contract 27: the tokens of suspended users. */

withOneUser();

const { ask, succeed } = requestsOf();
const suspend = (reason = "Sent spam", headers?: Headers) => succeed("POST", "/suspend", { reason }, headers);
const activate = () => succeed("POST", "/activate");

test("the token of a suspended user is also refused for an earlier, deleted user with the same keycloakId", async () => {
  const earlier = person;
  await succeed("DELETE");
  turnTo(await createUser(service, { keycloakId: earlier.keycloakId, email: earlier.email }));
  await succeed("POST", "/suspend", { reason: "Sent spam" });
  for (const path of ["export", "erasure"]) {
    const { status, headers } = await ask({ path: `${USERS}/${earlier.id}/${path}` }, earlier.headers);
    expect([path, status, headers["x-error-code"]]).toEqual([path, 403, "ACCOUNT_SUSPENDED"]);
  }
});

const SUSPENDED = {
  ...{ status: "suspended", reason: "Sent spam" },
  ...{ emailVerified: null, lastSeenAt: null, lastSyncedAt: null },
};
const SUSPENDED_ERROR = errorBody(403, "Account is suspended");

describe("a suspended user's own token", () => {
  const BODIES: Record<string, () => object> = {
    "POST /users": () => ({
      keycloakId: person.keycloakId,
      email: person.email,
      profile: { fullName: "Me" },
    }),
    "PUT /users/by-keycloak/:keycloakId": () => ({ email: person.email, profile: { fullName: "Me" } }),
    "PATCH /users/:id": () => ({ profile: { bio: "x" } }),
    "PUT /users/:id/profile": () => ({ fullName: "New Name" }),
    "PUT /users/:id/email": () => ({ email: "moved@example.com" }),
    "PATCH /users/:id/preferences": () => ({ language: "de" }),
    "PATCH /users/:id/quotas": () => ({ maxInterviews: 3 }),
    "POST /users/:id/revert": () => ({ version: 1 }),
    "PUT /users/:id/hold": () => ({ reason: "court case" }),
    "POST /users/:id/suspend": () => ({ reason: "Sent spam" }),
    "POST /users/lookup": () => ({ ids: [person.id] }),
    "POST /users/:id/quota/reservations": () => ({ resource: "interviews" }),
  };
  async function requestOf(route: string): Promise<Asked> {
    const [method = "", path = ""] = route.split(" ");
    const filled = path
      .replace(":id", person.id)
      .replace(":keycloakId", person.keycloakId)
      .replace(":email", person.email)
      .replace(":reservationId", "00000000-0000-4000-8000-000000000000");
    const isUpload = method === "POST" && path.endsWith("/avatar");
    return {
      body: BODIES[route.replace("/me", "/:id")]?.(),
      ...(isUpload && uploadOf(person.id, await jpeg())),
      method,
      path: `/api/v1${filled}`,
    };
  }

  const OPEN = "GET /users/me/identity";
  const routes = REST_ROUTES.filter(({ route }) => route !== OPEN).map(({ route, contract }) => ({
    route,
    access: contract.access,
  }));

  test.each(routes)(
    "is 403 at $route and changes nothing, also if it is an admin's",
    async ({ route, access }) => {
      await suspend();
      const before = await allRows(service);
      for (const roles of [[], ["admin"]]) {
        const headers = await service.user(person.keycloakId, { email: person.email, roles });
        const answer = await requestAs(service.url, headers, await requestOf(route));
        const isRefusedByRole = access === "internal" || (access.startsWith("admin") && roles.length === 0);
        expect(answer.body).toEqual(isRefusedByRole ? errorBody(403, expect.any(String)) : SUSPENDED_ERROR);
        if (!isRefusedByRole) expect(answer.headers["x-error-code"]).toBe("ACCOUNT_SUSPENDED");
      }
      expect(await allRows(service)).toEqual(before);
    },
  );

  test("gets its identity at GET and HEAD /users/me/identity, and at no other path", async () => {
    await suspend();
    const own = (method: string, path: string) => ask({ method, path: `${USERS}${path}` }, person.headers);
    expect((await own("GET", "/me/identity")).body).toEqual(SUSPENDED);
    expect((await own("HEAD", "/me/identity")).status).toBe(200);
    expect((await own("GET", `/${person.id}/identity`)).body).toEqual(SUSPENDED_ERROR);
    expect((await own("POST", "/me/activate")).status).toBe(403);
  });

  test.each<[string, Partial<Asked>]>([
    ["HEAD", { method: "HEAD" }],
    ["If-None-Match of the current version", { headers: { "if-none-match": '"2"' } }],
    ["If-Match of the current version", { method: "PATCH", headers: { "if-match": '"2"' }, body: {} }],
    ["If-Match of an old version", { method: "PATCH", headers: { "if-match": '"1"' }, body: {} }],
  ])("is 403 with %s", async (_, asked) => {
    await suspend();
    for (const path of [`${USERS}/${person.id}`, `${USERS}/me`])
      expect((await ask({ path, ...asked }, person.headers)).status).toBe(403);
  });

  test("is 403 for a user that does not exist and for another user", async () => {
    await suspend();
    const other = await createUser(service);
    const own = async (path: string) => (await ask({ path: `${USERS}${path}` }, person.headers)).body;
    for (const path of [`/${crypto.randomUUID()}`, `/${other.id}`, `/by-keycloak/${other.keycloakId}`])
      expect(await own(path)).toEqual(SUSPENDED_ERROR);
    expect((await ask({ path: `${USERS}/${other.id}` }, other.headers)).status).toBe(200);
  });

  test("gets no stored answer for a repeated Idempotency-Key, and gets it when the user is active again", async () => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const body = { keycloakId: person.keycloakId, email: person.email, profile: { fullName: "Me" } };
    const repeat = () => ask({ method: "POST", path: USERS, headers: key, body }, person.headers);
    expect((await repeat()).status).toBe(409);
    await suspend();
    const { body: refused, headers } = await repeat();
    expect([refused, headers["idempotency-replayed"]]).toEqual([SUSPENDED_ERROR, undefined]);
    await activate();
    expect((await repeat()).headers["idempotency-replayed"]).toBe("true");
  });

  test("is 403 together with an internal token, which has access alone", async () => {
    await suspend();
    const path = `${USERS}/${person.id}`;
    expect((await ask({ path }, { ...person.headers, ...service.internal })).body).toEqual(SUSPENDED_ERROR);
    expect((await ask({ path }, service.internal)).status).toBe(200);
  });

  test("is 400 for invalid input before it is 403, like any other token", async () => {
    await suspend();
    const asked = { method: "PATCH", path: `${USERS}/me/preferences`, body: { language: 1 } };
    expect((await ask(asked, person.headers)).status).toBe(400);
  });

  test("is 403 also for a service that calls an action on behalf of the user", async () => {
    await suspend();
    const { keycloakId: sub, id } = person;
    const on = (internal: boolean, admin: boolean) => ({
      meta: { caller: { internal, user: { sub, admin } } },
    });
    const { broker } = service;
    const refusal = { code: 403, type: "ACCOUNT_SUSPENDED" };
    const another = await createUser(service);
    for (const meta of [on(false, false), on(true, false), on(false, true)]) {
      await expect(call(broker, "users.get", { id }, meta)).rejects.toMatchObject(refusal);
      await expect(call(broker, "stats.get", { id }, meta)).rejects.toMatchObject(refusal);
      await expect(call(broker, "avatars.get", { id }, meta)).rejects.toMatchObject(refusal);
      const { keycloakId } = another;
      await expect(call(broker, "identities.getByKeycloakId", { keycloakId }, meta)).rejects.toMatchObject(
        refusal,
      );
    }
    await expect(call(broker, "users.get", { id })).resolves.toMatchObject({ id });
  });
});

test("admins and services can still read, list and change a suspended user", async () => {
  await suspend();
  await succeed("PATCH", "", { profile: { bio: "changed by an admin" } });
  await succeed("GET", "/export");
  await succeed("POST", "/stats/increment-interviews", undefined, service.internal);
  const lookup = await ask({ method: "POST", path: `${USERS}/lookup`, body: { ids: [person.id] } });
  expect(lookup.body.items).toHaveLength(1);
});

test("routes outside the base path ignore tokens, also of a suspended user", async () => {
  await suspend();
  for (const path of ["/health", "/health/live", "/openapi.json", "/docs"])
    expect([path, (await ask({ path }, person.headers)).status]).toEqual([path, 200]);
});

describe("the check for suspended users", () => {
  type Query = (this: pg.Client, statement: { name?: string }, ...rest: unknown[]) => unknown;
  const query = pg.Client.prototype.query as unknown as Query;
  const names: string[] = [];
  const counting: Query = function (statement, ...rest) {
    if (statement.name?.startsWith("find-")) names.push(statement.name);
    return query.call(this, statement, ...rest);
  };
  beforeAll(() => void jest.spyOn(pg.Client.prototype, "query").mockImplementation(counting as never));
  afterAll(() => void jest.restoreAllMocks());
  const queriesOf = async (path: string, headers: Headers) => {
    names.length = 0;
    expect((await ask({ path: `${USERS}${path}` }, headers)).status).toBe(200);
    return [...names];
  };

  test("costs no query for the owner, whose row is read anyway", async () => {
    expect(await queriesOf(`/${person.id}`, person.headers)).toEqual(["find-users"]);
    expect(await queriesOf("/me", person.headers)).toEqual(["find-users-by-keycloak-id"]);
    expect(await queriesOf("/me/identity", person.headers)).toEqual([
      "find-users-by-keycloak-id",
      "find-identity",
    ]);
  });

  test("costs no query for a service or for an avatar without a token, and one for an admin", async () => {
    expect(await queriesOf(`/${person.id}/stats`, service.internal)).not.toContain("find-suspended");
    await ask(uploadOf(person.id, await jpeg()));
    expect(await queriesOf(`/${person.id}/avatar`, {})).not.toContain("find-suspended");
    expect(await queriesOf(`/${person.id}/stats`, admin)).toContain("find-suspended");
  });
});
