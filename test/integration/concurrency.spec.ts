import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { OFFERED } from "../../services/contracts.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { WRITES } from "../helpers/conditional-writes.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, type Headers, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 20: If-Match, and the param ifVersion. */

const events = collectEvents();
let service: TestService;
let admin: Headers;
let image: Buffer;
/** A user with an avatar whom no test changes, for requests that are refused. */
let owner: Person;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  admin = await service.admin();
  image = await jpeg({ left: "#00ff00" });
  owner = await someoneWithAvatar();
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
const eventsOf = async (id: string) => {
  await outboxEmpty(service.database);
  return events.received.filter(({ userId }) => userId === id).map(({ eventType }) => eventType);
};

/** A user whose profile has been changed, so that it can be reverted. */
async function someone(): Promise<Person> {
  const person = await createUser(service);
  await ask({ method: "PATCH", path: `${users}/${person.id}`, body: { profile: { bio: "later" } } });
  return person;
}

async function someoneWithAvatar(): Promise<Person> {
  const person = await someone();
  expect((await ask(uploadOf(person.id, image))).status).toBe(200);
  return person;
}

/** A user for this route or action. Only users for the avatar routes have one, because it takes a tenth of a second. */
const someoneFor = (write: string) => (/avatar/.test(write) ? someoneWithAvatar() : someone());

describe.each(WRITES)("If-Match on $name", ({ name, asked }) => {
  const isDelete = name === "DELETE /users/:id";

  test("of the current version changes the user, with the same answer as without If-Match", async () => {
    const { id } = await someoneFor(name);
    const before = await rowOf(service, id);
    const answer = await ask(await asked(id), { "if-match": await etagOf(id) });
    expect(answer.status).toBe(200);
    expect(await rowOf(service, id)).toMatchObject({ version: Number(before.version) + 1 });
  });

  test("of another version is 412, and changes nothing", async () => {
    const { id } = owner;
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

  test("of * succeeds for any version of an existing user", async () => {
    const { id } = await someoneFor(name);
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
    const { id } = owner;
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

  test("from a caller without access is 401 or 403, before any other check", async () => {
    const stranger = await createUser(service);
    const { headers, ...rest } = await asked(owner.id);
    for (const given of ['"0"', await etagOf(owner.id)]) {
      const answered = async (by: object) =>
        (await request(service.url, { ...rest, headers: { ...headers, ...by, "if-match": given } })).status;
      expect([await answered({}), await answered(stranger.headers)]).toEqual([401, 403]);
    }
  });

  test("of two concurrent writes with the same version, exactly one succeeds", async () => {
    const { id } = await someoneFor(name);
    const etag = await etagOf(id);
    const requests = await Promise.all(
      Array.from({ length: name === "POST /users/:id/avatar" ? 2 : 8 }, async (_, n) =>
        ask(await asked(id, `v${n}`), { "if-match": etag }),
      ),
    );
    const statuses = requests.map(({ status }) => status).sort();
    // writes after a deletion find no user or no avatar
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

  test("of another version is checked after 400 and 404, and before an e-mail in use", async () => {
    const [{ id }, other] = [await createUser(service), await createUser(service)];
    const stale = { "if-match": '"0"' };
    const statusOf = async (asked: Asked) => (await ask(asked, stale)).status;
    expect(await statusOf({ method: "PATCH", path: `${users}/${id}`, body: { nickname: "x" } })).toBe(400);
    expect(await statusOf({ method: "DELETE", path: `${users}/${id}/avatar` })).toBe(404);
    expect(
      await statusOf({ method: "PUT", path: `${users}/${id}/email`, body: { email: other.email } }),
    ).toBe(412);
  });

  test("is ignored by routes that do not change a user", async () => {
    const { id } = await createUser(service);
    const given = { "if-match": '"0"' };
    expect((await ask({ path: `${users}/${id}` }, given)).status).toBe(200);
    expect((await ask({ method: "POST", path: users, body: newUser() }, given)).status).toBe(201);
    const increment = { method: "POST", path: `${users}/${id}/stats/increment-interviews` };
    expect((await ask(increment, given)).status).toBe(200);
  });

  test("if it is missing, the last write wins", async () => {
    const { id } = await createUser(service);
    const bios = Array.from({ length: 8 }, (_, n) => String(n));
    const answers = await Promise.all(
      bios.map((bio) => ask({ method: "PATCH", path: `${users}/${id}`, body: { profile: { bio } } })),
    );
    expect(answers.map(({ status }) => status)).toEqual(bios.map(() => 200));
    expect(bios).toContain((await rowOf(service, id)).bio);
  });

  test("protects 8 concurrent writers that read, change and write from losing an update", async () => {
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
    ["users.revert", (id) => ({ id, version: 1 })],
    ["stats.setQuotas", (id) => ({ id, maxInterviews: 1 })],
    ["avatars.remove", (id) => ({ id })],
    ["users.remove", (id) => ({ id })],
  ];
  const caller = { internal: false, user: { sub: "an-admin", admin: true } };
  const call = (action: string, params: object) => service.broker.call(action, params, { meta: { caller } });

  test("is a param of exactly the actions whose routes honour If-Match", () => {
    const names = OFFERED.filter(([, { params }]) => "ifVersion" in params).map(([name]) => name);
    expect(names.sort()).toEqual([...ACTIONS.map(([name]) => name), "avatars.upload"].sort());
  });

  test.each(ACTIONS)("%s with another version is VERSION_CONFLICT, 412", async (action, paramsOf) => {
    const { id } = owner;
    const before = await allRows(service);
    await expect(call(action, { ...paramsOf(id), ifVersion: 0 })).rejects.toMatchObject({
      code: 412,
      type: "VERSION_CONFLICT",
      message: "Precondition failed: the user has changed",
    });
    expect(await allRows(service)).toEqual(before);
  });

  test.each(ACTIONS)("%s with the current version changes the user", async (action, paramsOf) => {
    const { id } = await someoneFor(action);
    const ifVersion = Number((await rowOf(service, id)).version);
    await call(action, { ...paramsOf(id), ifVersion });
    expect(await rowOf(service, id)).toMatchObject({ version: ifVersion + 1 });
  });

  test.each(ACTIONS)("%s accepts only a non-negative integer", async (action, paramsOf) => {
    const { id } = owner;
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
