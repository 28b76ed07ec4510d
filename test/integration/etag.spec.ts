import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Meta } from "../../lib/contract/caller.ts";
import { OFFERED } from "../../services/contracts.ts";
import { WRITES } from "../helpers/conditional-writes.ts";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, type Headers, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 20: ETag, If-None-Match, and meta.version. */

let service: TestService;
let admin: Headers;
beforeAll(async () => {
  service = await startService();
  admin = await service.admin();
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const MISSING = "00000000-0000-4000-8000-000000000000";

const ask = (asked: Asked, headers: Headers = {}): Promise<Answered> =>
  request(service.url, {
    ...asked,
    headers: { ...service.internal, ...admin, ...asked.headers, ...headers } as Headers,
  });
const etagOf = async (id: string) => `"${(await rowOf(service, id)).version}"`;

describe("ETag", () => {
  /** Every answer that is a `User`, `Preferences` or `Quotas`. */
  const ANSWERS: [string, (person: Person) => Asked][] = [
    ["GET /users/:id", ({ id }) => ({ path: `${users}/${id}` })],
    ["HEAD /users/:id", ({ id }) => ({ method: "HEAD", path: `${users}/${id}` })],
    ["GET /users/me", ({ headers }) => ({ path: `${users}/me`, headers })],
    ["GET /users/by-keycloak/:keycloakId", (who) => ({ path: `${users}/by-keycloak/${who.keycloakId}` })],
    ["GET /users/by-email/:email", ({ email }) => ({ path: `${users}/by-email/${email}` })],
    ["GET /users/:id/preferences", ({ id }) => ({ path: `${users}/${id}/preferences` })],
    ["GET /users/:id/quotas", ({ id }) => ({ path: `${users}/${id}/quotas` })],
    [
      "PUT /users/by-keycloak/:keycloakId of a user who exists",
      ({ keycloakId, email, profile: { fullName } }) => ({
        method: "PUT",
        path: `${users}/by-keycloak/${keycloakId}`,
        body: { email, profile: { fullName } },
      }),
    ],
    ...WRITES.filter(({ name }) => !/avatar|DELETE/.test(name)).map(
      ({ name, asked }): [string, (person: Person) => Asked] => [name, ({ id }) => asked(id) as Asked],
    ),
  ];

  test.each(ANSWERS)("of %s is the row's version, strong and in quotes", async (_, asked) => {
    const person = await createUser(service);
    await ask({ method: "PATCH", path: `${users}/${person.id}`, body: { profile: { bio: "more" } } });
    const answer = await ask(asked(person));
    expect([answer.status, answer.headers.etag]).toEqual([200, await etagOf(person.id)]);
    expect(answer.headers.etag).toMatch(/^"\d+"$/);
  });

  test("of POST /users is the version of the new row, also for a repeat with its Idempotency-Key", async () => {
    const asked = { method: "POST", path: users, body: newUser() };
    const key = { "idempotency-key": crypto.randomUUID() };
    const first = await ask(asked, key);
    expect([first.status, first.headers.etag]).toEqual([201, await etagOf(first.body.id)]);
    await ask({ method: "PATCH", path: `${users}/${first.body.id}`, body: { profile: { bio: "more" } } });
    const repeat = await ask(asked, key);
    expect([repeat.status, repeat.headers.etag]).toEqual([201, first.headers.etag]);
  });

  test("of PUT /users/by-keycloak/:keycloakId is the version of the new row too", async () => {
    const { keycloakId, ...body } = newUser();
    const answer = await ask({ method: "PUT", path: `${users}/by-keycloak/${keycloakId}`, body });
    expect([answer.status, answer.headers.etag]).toEqual([201, await etagOf(answer.body.id)]);
  });

  test("is missing in all other answers", async () => {
    const { id } = await createUser(service);
    await ask(uploadOf(id, await jpeg()));
    const others: Asked[] = [
      { path: users },
      { path: `${users}/${id}/stats` },
      { method: "POST", path: `${users}/${id}/stats/increment-interviews` },
      { method: "DELETE", path: `${users}/${id}/avatar` },
      { path: `${users}/${MISSING}` },
      { method: "DELETE", path: `${users}/${id}` },
    ];
    for (const asked of others)
      expect([asked.path, (await ask(asked)).headers.etag]).toEqual([asked.path, undefined]);
  });

  test("changes with each change of the user, including counters, and only then", async () => {
    const { id } = await createUser(service);
    const etag = async () => (await ask({ path: `${users}/${id}` })).headers.etag;
    const seen = [await etag()];
    const changes: Asked[] = [
      { method: "PATCH", path: `${users}/${id}`, body: { profile: { bio: "new" } } },
      { method: "PATCH", path: `${users}/${id}/preferences`, body: { language: "de" } },
      { method: "PATCH", path: `${users}/${id}/quotas`, body: { maxInterviews: 3 } },
      { method: "POST", path: `${users}/${id}/stats/increment-interviews` },
    ];
    for (const change of changes) {
      await ask(change);
      seen.push(await etag());
    }
    await ask(changes[0] as Asked); // the same bio again
    expect(await etag()).toBe(seen.at(-1));
    expect(new Set(seen).size).toBe(changes.length + 1);
  });
});

describe("If-None-Match", () => {
  const READS = [
    ["GET", ""],
    ["HEAD", ""],
    ["GET", "/preferences"],
    ["GET", "/quotas"],
  ];

  test.each(READS)(
    "%s /users/:id%s is 304 without a body if it names the current ETag",
    async (method, rest) => {
      const { id } = await createUser(service);
      const etag = await etagOf(id);
      for (const given of [etag, "*", `"0", ${etag}`, `W/${etag}`]) {
        const answer = await ask({ method, path: `${users}/${id}${rest}` }, { "if-none-match": given });
        expect([given, answer.status, answer.headers.etag]).toEqual([given, 304, etag]);
        expect(answer.bytes).toHaveLength(0);
      }
    },
  );

  test.each(READS)("%s /users/:id%s is 200 if it names another ETag or none", async (method, rest) => {
    const { id } = await createUser(service);
    for (const given of ['"0"', "garbage", "", '"1', (await etagOf(id)).replaceAll('"', "")])
      expect((await ask({ method, path: `${users}/${id}${rest}` }, { "if-none-match": given })).status).toBe(
        200,
      );
  });

  test("a change makes the answer 200 again, with the new ETag", async () => {
    const { id } = await createUser(service);
    const etag = await etagOf(id);
    await ask({ method: "POST", path: `${users}/${id}/stats/increment-interviews` });
    const answer = await ask({ path: `${users}/${id}` }, { "if-none-match": etag });
    expect([answer.status, answer.headers.etag]).toEqual([200, await etagOf(id)]);
    expect(answer.body.stats).toMatchObject({ interviewsCreated: 1 });
  });

  test("another user gets 403 and a caller without a token gets 401, with any ETag", async () => {
    const person = await createUser(service);
    const stranger = await createUser(service);
    const path = `${users}/${person.id}`;
    const given = { "if-none-match": await etagOf(person.id) };
    const asStranger = { path, headers: { ...stranger.headers, ...given } };
    expect((await request(service.url, asStranger)).status).toBe(403);
    expect((await request(service.url, { path, headers: given })).status).toBe(401);
  });
});

describe("meta.version", () => {
  const PARAMS: Record<string, (person: Person) => object> = {
    "users.create": () => newUser(),
    "users.ensure": ({ keycloakId, email, profile: { fullName } }) => ({
      keycloakId,
      email,
      profile: { fullName },
    }),
    "users.get": ({ id }) => ({ id }),
    "users.getByKeycloakId": ({ keycloakId }) => ({ keycloakId }),
    "users.getByEmail": ({ email }) => ({ email }),
    "users.update": ({ id }) => ({ id, profile: { bio: "x" } }),
    "users.replaceProfile": ({ id }) => ({ id, fullName: "New Name" }),
    "users.changeEmail": ({ id }) => ({ id, email: `new-${id}@example.com` }),
    "users.getPreferences": ({ id }) => ({ id }),
    "users.updatePreferences": ({ id }) => ({ id, language: "de" }),
    "users.revert": ({ id }) => ({ id, version: 1 }),
    "users.restore": ({ id }) => ({ id }),
    "stats.getQuotas": ({ id }) => ({ id }),
    "stats.setQuotas": ({ id }) => ({ id, maxInterviews: 1 }),
  };
  const VERSIONED = OFFERED.filter(([, { result }]) => result.versioned).map(([name]) => name);

  test.each(VERSIONED)("is set to the row's version by %s, for callers of the action", async (action) => {
    const person = await createUser(service);
    const meta = { caller: { internal: true, user: { sub: "an-admin", admin: true } } };
    const call = service.broker.call<{ id?: string }, object>(action, PARAMS[action]?.(person) ?? {}, {
      meta,
    });
    const id = (await call).id ?? person.id;
    const { ctx } = call as unknown as { ctx: { meta: Meta } };
    expect(ctx.meta.version).toBe((await rowOf(service, id)).version);
  });
});
