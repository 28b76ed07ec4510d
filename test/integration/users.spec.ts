import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { User } from "../../services/users/users.contract.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { createListener } from "../helpers/listener.ts";
import { createUser, newUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

const listener = createListener();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [listener.schema] });
});
afterAll(() => service.stop());

type Body = Record<string, unknown>;
const urlOf = (id: string, rest = "") => `/api/v1/users/${id}${rest}`;
const send = (method: "post" | "patch" | "put" | "delete", url: string, body?: Body) =>
  service.http[method](url)
    .set(service.internal)
    .send(body as object);
const show = async (id: string): Promise<User> =>
  (await service.http.get(urlOf(id)).set(service.internal).expect(200)).body;
const withoutHeaders = ({ headers: _, ...user }: Person): User => user;
/** Whether `updatedAt` moved while `work` ran. */
async function moves(id: string, work: () => PromiseLike<unknown>): Promise<boolean> {
  const before = (await show(id)).updatedAt;
  await sleep(3);
  await work();
  return (await show(id)).updatedAt > before;
}

describe("POST /api/v1/users", () => {
  test("returns 201 with exactly the User, including nulls, and publishes user.created", async () => {
    const body = { ...newUser({ email: "Ada@Example.com" }), profile: { fullName: "Ada Lovelace" } };
    const answer = await send("post", "/api/v1/users", body).expect(201);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(answer.body).toStrictEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      keycloakId: body.keycloakId,
      email: "Ada@Example.com",
      profile: { fullName: "Ada Lovelace", companyName: null, phone: null, bio: null, avatarUrl: null },
      stats: { interviewsCreated: 0, storageUsed: 0 },
      quotas: { maxInterviews: 10, maxStorage: 5368709120 },
      createdAt: time,
      updatedAt: answer.body.createdAt,
    });
    expect(answer.body.createdAt).toEqual(time);
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    const { id, keycloakId, email, createdAt } = answer.body;
    expect(await listener.eventsOf(service, id)).toEqual([
      ["user.created", { keycloakId, email, fullName: "Ada Lovelace", createdAt }],
    ]);
  });

  test("trims texts, stores a phone in E.164, and stores an empty optional text as null", async () => {
    const profile = { fullName: "  Grace Hopper ", companyName: " \t", phone: " +49 (30) 901820 ", bio: "" };
    const body = { ...newUser(), email: " grace@example.com ", profile };
    const answer = await send("post", "/api/v1/users", body).expect(201);
    expect(answer.body.email).toBe("grace@example.com");
    expect(answer.body.profile).toMatchObject({
      fullName: "Grace Hopper",
      companyName: null,
      phone: "+4930901820",
      bio: null,
    });
  });

  const smile = "🙂";
  test.each<[string, Body, string[]]>([
    ["a fullName of 2 and of 100 code points", { fullName: smile.repeat(2) }, []],
    ["a fullName of 100", { fullName: smile.repeat(100) }, []],
    ["a fullName of 1", { fullName: ` ${smile} ` }, ["profile.fullName"]],
    ["a fullName of 101", { fullName: smile.repeat(101) }, ["profile.fullName"]],
    ["a fullName that is null", { fullName: null }, ["profile.fullName"]],
    ["a fullName that is a number", { fullName: 12 }, ["profile.fullName"]],
    ["a companyName of 100", { companyName: smile.repeat(100) }, []],
    ["a companyName of 101", { companyName: smile.repeat(101) }, ["profile.companyName"]],
    ["a phone of 50 that does not parse", { phone: "0".repeat(50) }, []],
    ["a phone of 51", { phone: "0".repeat(51) }, ["profile.phone"]],
    ["a bio of 2000", { bio: smile.repeat(2000) }, []],
    ["a bio of 2001", { bio: smile.repeat(2001) }, ["profile.bio"]],
    ["an unknown profile field", { avatarUrl: "https://x" }, ["profile.avatarUrl"]],
  ])("of %s names the invalid fields, if there are any", async (_, profile, fields) => {
    const body = { ...newUser(), profile: { fullName: "Somebody", ...profile } };
    const answer = await send("post", "/api/v1/users", body);
    expect([answer.status, fieldsOf(answer.body)]).toEqual([fields.length > 0 ? 400 : 201, fields]);
  });

  test.each<[string, Body, string[]]>([
    ["no keycloakId", { keycloakId: undefined }, ["keycloakId"]],
    ["an empty keycloakId", { keycloakId: " " }, ["keycloakId"]],
    ["a keycloakId of 256", { keycloakId: "k".repeat(256) }, ["keycloakId"]],
    ["an invalid e-mail", { email: "ada.example.com" }, ["email"]],
    ["an e-mail of 256", { email: `${"a".repeat(244)}@example.com` }, ["email"]],
    ["no profile", { profile: undefined }, ["profile"]],
    ["a profile that is a list", { profile: [] }, ["profile"]],
    ["an unknown field", { role: "admin" }, ["role"]],
    [
      "several faults",
      { keycloakId: 1, email: null, profile: {} },
      ["email", "keycloakId", "profile.fullName"],
    ],
  ])("with %s is 400", async (_, wrong, fields) => {
    const answer = await send("post", "/api/v1/users", { ...newUser(), ...wrong }).expect(400);
    expect(answer.body.message).toBe("Validation failed");
    expect(fieldsOf(answer.body).sort()).toEqual(fields);
  });

  test("refuses an e-mail in use, in any letter case, and a keycloakId in use", async () => {
    const { email, keycloakId } = await createUser(service, { email: "Taken@Example.com" });
    const shouted = email.toUpperCase();
    const byEmail = await send("post", "/api/v1/users", newUser({ email: shouted })).expect(409);
    expect(byEmail.body).toEqual(errorBody(409, `User with email ${shouted} already exists`));
    const byId = await send("post", "/api/v1/users", newUser({ keycloakId })).expect(409);
    expect(byId.body).toEqual(errorBody(409, `User with Keycloak ID ${keycloakId} already exists`));
  });

  test("creates exactly one of many concurrent sign-ups", async () => {
    const body = newUser();
    const answers = await Promise.all(Array.from({ length: 10 }, () => send("post", "/api/v1/users", body)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
  });

  test.each([
    ["+1 202-456-1111", "+12024561111"],
    ["030 901820", "030 901820"],
    ["+49 what?", "+49 what?"],
    ["call me", "call me"],
  ])("stores the phone %j as %j", async (phone, stored) => {
    expect((await createUser(service, { profile: { phone } })).profile.phone).toBe(stored);
  });
});

describe("reading", () => {
  test.each<[string, (person: Person) => string]>([
    ["by id", ({ id }) => urlOf(id)],
    ["by id in upper case", ({ id }) => urlOf(id.toUpperCase())],
    ["by keycloakId", ({ keycloakId }) => urlOf(`by-keycloak/${encodeURIComponent(keycloakId)}`)],
    [
      "by e-mail in any letter case",
      ({ email }) => urlOf(`by-email/${encodeURIComponent(email.toUpperCase())}`),
    ],
  ])("%s returns the User, and HEAD has the headers of GET", async (_, pathOf) => {
    const keycloakId = `with /?# & ü ${crypto.randomUUID()}`;
    const person = await createUser(service, {
      keycloakId,
      email: `o'hara+${crypto.randomUUID()}@example.com`,
    });
    const got = await service.http.get(pathOf(person)).set(service.internal).expect(200);
    expect(got.body).toStrictEqual(withoutHeaders(person));
    const head = await service.http.head(pathOf(person)).set(service.internal).expect(200);
    expect(head.text).toBeUndefined();
    for (const name of ["content-type", "content-length"]) expect(head.headers[name]).toBe(got.headers[name]);
  });

  test("GET /users/me returns the token's own user, and 404 if there is none", async () => {
    const person = await createUser(service);
    const me = await service.http.get(urlOf("me")).set(person.headers).expect(200);
    expect(me.body).toStrictEqual(withoutHeaders(person));
    const nobody = await service.http
      .get(urlOf("me"))
      .set(await service.user("not-here"))
      .expect(404);
    expect(nobody.body.message).toBe("User with Keycloak ID not-here not found");
  });
});

describe("PATCH /api/v1/users/:id", () => {
  test("keeps omitted fields, clears those that are null, and publishes only real changes", async () => {
    const profile = { fullName: "Alan Turing", companyName: "NPL", phone: "12", bio: "B" };
    const { id } = await createUser(service, { profile });
    await listener.eventsOf(service, id);
    const wish = { companyName: null, phone: "12", bio: " C " };
    const answer = await send("patch", urlOf(id), { profile: wish }).expect(200);
    const expected = { fullName: "Alan Turing", companyName: null, phone: "12", bio: "C", avatarUrl: null };
    expect(answer.body.profile).toEqual(expected);
    expect(answer.body).toEqual(await show(id));
    expect(await listener.eventsOf(service, id)).toEqual([
      ["user.updated", { changes: { companyName: null, bio: "C" } }],
    ]);
  });

  test("that changes nothing is 200 without an event, and keeps updatedAt", async () => {
    const { id } = await createUser(service, { profile: { fullName: "Same Name", phone: "+12024561111" } });
    await listener.eventsOf(service, id);
    const wishes = [
      undefined,
      {},
      { profile: {} },
      { profile: { fullName: "Same Name ", phone: "+1 202 4561111" } },
    ];
    for (const wish of wishes)
      expect(await moves(id, () => send("patch", urlOf(id), wish).expect(200))).toBe(false);
    expect(await listener.eventsOf(service, id)).toEqual([]);
  });

  test.each<[string, Body, string]>([
    ["fullName null", { profile: { fullName: null } }, "profile.fullName"],
    ["profile null", { profile: null }, "profile"],
    ["the e-mail", { email: "other@example.com" }, "email"],
    ["profile.email", { profile: { email: "other@example.com" } }, "profile.email"],
  ])("with %s is 400", async (_, body, field) => {
    const { id } = await createUser(service);
    expect(fieldsOf((await send("patch", urlOf(id), body).expect(400)).body)).toEqual([field]);
  });
});

describe("PUT /api/v1/users/:id/profile", () => {
  test("replaces the whole profile, and clears omitted fields", async () => {
    const { id } = await createUser(service, { profile: { companyName: "Co", phone: "1", bio: "B" } });
    await listener.eventsOf(service, id);
    const put = await send("put", urlOf(id, "/profile"), { fullName: "New Name", bio: "B" }).expect(200);
    const expected = { fullName: "New Name", companyName: null, phone: null, bio: "B", avatarUrl: null };
    expect(put.body.profile).toEqual(expected);
    const changes = { fullName: "New Name", companyName: null, phone: null };
    expect(await listener.eventsOf(service, id)).toEqual([["user.updated", { changes }]]);
  });

  test("without a fullName is 400", async () => {
    const { id } = await createUser(service);
    expect(fieldsOf((await send("put", urlOf(id, "/profile"), {}).expect(400)).body)).toEqual(["fullName"]);
  });
});

describe("PUT /api/v1/users/:id/email", () => {
  test("changes the address, also to the same one in another letter case, and publishes user.updated", async () => {
    const { id } = await createUser(service, { email: "old@example.com" });
    await listener.eventsOf(service, id);
    for (const email of ["OLD@example.com", "new@example.com", "new@example.com"]) {
      const answer = await send("put", urlOf(id, "/email"), { email }).expect(200);
      expect(answer.body.email).toBe(email);
    }
    expect(await listener.eventsOf(service, id)).toEqual([
      ["user.updated", { changes: { email: "OLD@example.com" } }],
      ["user.updated", { changes: { email: "new@example.com" } }],
    ]);
  });

  test("refuses another user's address in any letter case, and changes nothing", async () => {
    const [person, other] = [await createUser(service), await createUser(service)];
    const email = other.email.toUpperCase();
    const answer = await send("put", urlOf(person.id, "/email"), { email }).expect(409);
    expect(answer.body.message).toBe(`User with email ${email} already exists`);
    expect(await show(person.id)).toEqual(withoutHeaders(person));
  });
});
