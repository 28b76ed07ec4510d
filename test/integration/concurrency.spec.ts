import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Meta } from "../../lib/contract/caller.ts";
import { OFFERED } from "../../services/contracts.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 20: optimistic concurrency. */

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const MISSING = "00000000-0000-4000-8000-000000000000";
type Headers = Record<string, string>;

const ask = (asked: Asked, headers: Headers = {}): Promise<Answered> =>
  request(service.url, {
    ...asked,
    headers: { ...service.internal, ...asked.headers, ...headers } as Headers,
  });
const etagOf = async (id: string) => `"${(await rowOf(service, id)).version}"`;
const eventsOf = async (id: string) => {
  await outboxEmpty(service.database);
  return events.heard.filter(({ userId }) => userId === id).map(({ eventType }) => eventType);
};

type Route = { name: string; asked: (id: string, value?: string) => Asked | Promise<Asked> };
const write =
  (method: string, rest: string, body: (value: string) => object): Route["asked"] =>
  (id, value = "first") => ({ method, path: `${users}/${id}${rest}`, body: body(value) });

/** Every write that honours If-Match. */
const WRITES: Route[] = [
  { name: "PATCH /users/:id", asked: write("PATCH", "", (bio) => ({ profile: { bio } })) },
  { name: "PUT /users/:id/profile", asked: write("PUT", "/profile", (bio) => ({ fullName: "Ada", bio })) },
  {
    name: "PUT /users/:id/email",
    asked: (id, value = "first") =>
      write("PUT", "/email", () => ({ email: `${value}-${id}@example.com` }))(id),
  },
  {
    name: "PATCH /users/:id/preferences",
    asked: write("PATCH", "/preferences", (value) => ({ language: value === "first" ? "de" : "fr" })),
  },
  {
    name: "PATCH /users/:id/quotas",
    asked: write("PATCH", "/quotas", (value) => ({ maxInterviews: value.length })),
  },
  {
    name: "POST /users/:id/avatar",
    asked: async (id) => ({
      method: "POST",
      path: `${users}/${id}/avatar`,
      headers: FORM,
      body: formOf({ filename: "a.jpg", type: "image/jpeg", content: await jpeg() }),
    }),
  },
  { name: "DELETE /users/:id/avatar", asked: write("DELETE", "/avatar", () => ({})) },
  { name: "DELETE /users/:id", asked: write("DELETE", "", () => ({})) },
];

/** A user who has an avatar, so that each write has something to change. */
async function someone(): Promise<Person> {
  const person = await createUser(service);
  const upload = formOf({
    filename: "a.jpg",
    type: "image/jpeg",
    content: await jpeg({ left: "#00ff00" }),
  });
  const path = `${users}/${person.id}/avatar`;
  const answer = await ask({ method: "POST", path, headers: FORM, body: upload });
  expect(answer.status).toBe(200);
  return person;
}

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

  test("is in no other answer", async () => {
    const { id } = await someone();
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

  test("changes with each change of the user, counters included, and with nothing else", async () => {
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

  test("a stranger gets 403 and nobody 401, whatever they name", async () => {
    const person = await createUser(service);
    const stranger = await createUser(service);
    const path = `${users}/${person.id}`;
    const given = { "if-none-match": await etagOf(person.id) };
    const asStranger = { path, headers: { ...stranger.headers, ...given } };
    expect((await request(service.url, asStranger)).status).toBe(403);
    expect((await request(service.url, { path, headers: given })).status).toBe(401);
  });
});

describe.each(WRITES)("If-Match on $name", ({ name, asked }) => {
  const isDelete = name === "DELETE /users/:id";

  test("of the current version is answered as without it, and changes the user", async () => {
    const { id } = await someone();
    const before = await rowOf(service, id);
    const answer = await ask(await asked(id), { "if-match": await etagOf(id) });
    expect(answer.status).toBe(200);
    expect(await rowOf(service, id)).toMatchObject({ version: Number(before.version) + 1 });
  });

  test("of another version is 412, and changes nothing", async () => {
    const { id } = await someone();
    const version = Number((await rowOf(service, id)).version);
    const [before, published] = [await allRows(service), await eventsOf(id)];
    for (const other of [0, version - 1, version + 1]) {
      const answer = await ask(await asked(id), { "if-match": `"${other}"` });
      expect(answer.body).toEqual(errorBody(412, "Precondition failed: the user has changed"));
      expect(answer.headers["x-error-code"]).toBe("VERSION_CONFLICT");
      expect(answer.headers.etag).toBeUndefined();
    }
    expect(await allRows(service)).toEqual(before);
    expect(await eventsOf(id)).toEqual(published);
    expect((await ask({ path: `${users}/${id}/avatar` })).status).toBe(200);
  });

  test("of * means that the user exists", async () => {
    const { id } = await someone();
    expect((await ask(await asked(id), { "if-match": "*" })).status).toBe(200);
  });

  test("on a user that does not exist is 404, also with *", async () => {
    for (const given of ["*", '"1"'])
      expect((await ask(await asked(MISSING), { "if-match": given })).body).toMatchObject({
        statusCode: 404,
        message: `User with ID ${MISSING} not found`,
      });
  });

  test("that is weak, a list or garbage is 400, and changes nothing", async () => {
    const { id } = await someone();
    const etag = await etagOf(id);
    const before = await allRows(service);
    const bad = [`W/${etag}`, `${etag}, "1"`, `${etag},${etag}`, "*, *", "garbage", '"garbage"', '""', ""];
    const numbers = [etag.replaceAll('"', ""), '"01"', '"-1"', '"1.5"', '"1e0"', '"9007199254740992"', '"'];
    for (const given of [...bad, ...numbers]) {
      const answer = await ask(await asked(id), { "if-match": given });
      expect([given, answer.status, fieldsOf(answer.body)]).toEqual([given, 400, ["If-Match"]]);
    }
    expect(await allRows(service)).toEqual(before);
  });

  test("of a caller without the right is 401 or 403 before anything else", async () => {
    const [person, stranger] = [await someone(), await createUser(service)];
    const { headers, ...rest } = await asked(person.id);
    for (const given of ['"0"', await etagOf(person.id)]) {
      const answered = async (by: object) =>
        (await request(service.url, { ...rest, headers: { ...headers, ...by, "if-match": given } })).status;
      expect([await answered({}), await answered(stranger.headers)]).toEqual([401, 403]);
    }
  });

  test("of two writes that name one version at the same time, exactly one succeeds", async () => {
    const { id } = await someone();
    const etag = await etagOf(id);
    const requests = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => ask(await asked(id, `v${n}`), { "if-match": etag })),
    );
    const statuses = requests.map(({ status }) => status).sort();
    // those that come after a deletion find no user, or no avatar
    const lost = isDelete || name === "DELETE /users/:id/avatar" ? [404, 412] : [412];
    expect(statuses[0]).toBe(200);
    for (const status of statuses.slice(1)) expect(lost).toContain(status);
  });
});

describe("If-Match", () => {
  test("is refused in the body, as ifVersion", async () => {
    const { id } = await createUser(service);
    const before = await allRows(service);
    const body = { profile: { bio: "x" }, ifVersion: 1 };
    const answer = await ask({ method: "PATCH", path: `${users}/${id}`, body });
    expect([answer.status, fieldsOf(answer.body)]).toEqual([400, ["ifVersion"]]);
    expect(await allRows(service)).toEqual(before);
  });

  test("of another version is 412 also if the write would change nothing", async () => {
    const { id } = await createUser(service);
    const answer = await ask({ method: "PATCH", path: `${users}/${id}`, body: {} }, { "if-match": '"0"' });
    expect(answer.status).toBe(412);
    const current = { "if-match": await etagOf(id) };
    expect((await ask({ method: "PATCH", path: `${users}/${id}`, body: {} }, current)).status).toBe(200);
  });

  test("of another version comes after 400 and 404 in the order of the checks, and before a taken e-mail", async () => {
    const [{ id }, other] = [await createUser(service), await createUser(service)];
    const stale = { "if-match": '"0"' };
    const statusOf = async (asked: Asked) => (await ask(asked, stale)).status;
    expect(await statusOf({ method: "PATCH", path: `${users}/${id}`, body: { nickname: "x" } })).toBe(400);
    expect(await statusOf({ method: "DELETE", path: `${users}/${id}/avatar` })).toBe(404);
    expect(
      await statusOf({ method: "PUT", path: `${users}/${id}/email`, body: { email: other.email } }),
    ).toBe(412);
  });

  test("is ignored by what is no write of a user", async () => {
    const { id } = await createUser(service);
    const given = { "if-match": '"0"' };
    expect((await ask({ path: `${users}/${id}` }, given)).status).toBe(200);
    expect((await ask({ method: "POST", path: users, body: newUser() }, given)).status).toBe(201);
    const increment = { method: "POST", path: `${users}/${id}/stats/increment-interviews` };
    expect((await ask(increment, given)).status).toBe(200);
  });

  test("without it, writes are as before: the last one wins", async () => {
    const { id } = await createUser(service);
    const bios = Array.from({ length: 8 }, (_, n) => String(n));
    const answers = await Promise.all(
      bios.map((bio) => ask({ method: "PATCH", path: `${users}/${id}`, body: { profile: { bio } } })),
    );
    expect(answers.map(({ status }) => status)).toEqual(bios.map(() => 200));
    expect(bios).toContain((await rowOf(service, id)).bio);
  });

  test("in a loop of read and write, loses no update of 8 writers", async () => {
    const { id } = await createUser(service);
    const path = `${users}/${id}`;
    const append = async (letter: string) => {
      for (;;) {
        const { headers, body } = await ask({ path });
        const bio = `${(body.profile as { bio: string | null }).bio ?? ""}${letter}`;
        const given = { "if-match": String(headers.etag) };
        const { status } = await ask({ method: "PATCH", path, body: { profile: { bio } } }, given);
        if (status === 200) return;
        expect(status).toBe(412);
      }
    };
    await Promise.all([..."abcdefgh"].map(append));
    expect([...String((await rowOf(service, id)).bio)].sort().join("")).toBe("abcdefgh");
  });
});

describe("ifVersion of an action", () => {
  const ACTIONS: [string, (id: string) => object][] = [
    ["users.update", (id) => ({ id, profile: { bio: "x" } })],
    ["users.replaceProfile", (id) => ({ id, fullName: "New Name" })],
    ["users.changeEmail", (id) => ({ id, email: `new-${id}@example.com` })],
    ["users.updatePreferences", (id) => ({ id, language: "de" })],
    ["stats.setQuotas", (id) => ({ id, maxInterviews: 1 })],
    ["avatars.remove", (id) => ({ id })],
    ["users.remove", (id) => ({ id })],
  ];
  const call = (action: string, params: object) => service.broker.call(action, params);

  test("is a param of every action that has a route which honours If-Match, and of no other", () => {
    const names = OFFERED.filter(([, { params }]) => "ifVersion" in params).map(([name]) => name);
    expect(names.sort()).toEqual([...ACTIONS.map(([name]) => name), "avatars.upload"].sort());
  });

  test.each(ACTIONS)("%s with another version is VERSION_CONFLICT, 412", async (action, paramsOf) => {
    const { id } = await someone();
    const before = await allRows(service);
    await expect(call(action, { ...paramsOf(id), ifVersion: 0 })).rejects.toMatchObject({
      code: 412,
      type: "VERSION_CONFLICT",
      message: "Precondition failed: the user has changed",
    });
    expect(await allRows(service)).toEqual(before);
  });

  test.each(ACTIONS)("%s with the current version changes the user", async (action, paramsOf) => {
    const { id } = await someone();
    const ifVersion = Number((await rowOf(service, id)).version);
    await call(action, { ...paramsOf(id), ifVersion });
    expect(await rowOf(service, id)).toMatchObject({ version: ifVersion + 1 });
  });

  test.each(ACTIONS)("%s takes only an integer that is not negative", async (action, paramsOf) => {
    const { id } = await someone();
    const before = await allRows(service);
    for (const ifVersion of [-1, 1.5, "1", null, 2 ** 53, true, [1]])
      await expect(call(action, { ...paramsOf(id), ifVersion })).rejects.toMatchObject({ code: 400 });
    expect(await allRows(service)).toEqual(before);
  });

  test("is not stored with the preferences", async () => {
    const { id } = await createUser(service);
    const ifVersion = Number((await rowOf(service, id)).version);
    await call("users.updatePreferences", { id, language: "de", ifVersion });
    expect(await rowOf(service, id)).toMatchObject({ preferences: { language: "de", notifications: {} } });
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
    "stats.getQuotas": ({ id }) => ({ id }),
    "stats.setQuotas": ({ id }) => ({ id, maxInterviews: 1 }),
  };
  const VERSIONED = OFFERED.filter(([, { result }]) => result.versioned).map(([name]) => name);

  test.each(VERSIONED)("is set to the row's version by %s, for callers of the action", async (action) => {
    const person = await createUser(service);
    const call = service.broker.call<{ id?: string }, object>(action, PARAMS[action]?.(person) ?? {});
    const id = (await call).id ?? person.id;
    const { ctx } = call as unknown as { ctx: { meta: Meta } };
    expect(ctx.meta.version).toBe((await rowOf(service, id)).version);
  });
});
