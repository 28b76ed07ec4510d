import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import pg from "pg";
import type { FoundUsers, User } from "../../services/users/users.contract.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 23: POST /users/lookup. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const PATH = "/api/v1/users/lookup";
const post = (body: object, by: Record<string, string> = service.internal) =>
  service.http.post(PATH).set(by).send(body);
const lookUp = async (body: object): Promise<FoundUsers> => (await post(body).expect(200)).body;
const userOf = ({ headers: _, ...user }: Person): User => user;
const byId = (users: User[]) => [...users].sort((a, b) => (a.id < b.id ? -1 : 1));
const NONE = { ids: [], keycloakIds: [], emails: [] };

describe("finds users", () => {
  test("by ids, Keycloak ids and e-mails together, each as in GET /users/:id", async () => {
    const [a, b, c] = [await createUser(service), await createUser(service), await createUser(service)];
    const found = await lookUp({ ids: [a.id], keycloakIds: [b.keycloakId], emails: [c.email] });
    expect(byId(found.items)).toEqual(byId([a, b, c].map(userOf)));
    expect(found.missing).toEqual(NONE);
  });

  test("once, if several keys belong to the same user or a key is repeated", async () => {
    const { id, keycloakId, email } = await createUser(service);
    const { items } = await lookUp({
      ids: [id, id.toUpperCase()],
      keycloakIds: [keycloakId, keycloakId],
      emails: [email, email.toUpperCase()],
    });
    expect(items.map((user) => user.id)).toEqual([id]);
  });

  test("by e-mails in any letter case, and by ids in upper case", async () => {
    const { id } = await createUser(service, { email: "Ångström@Example.com" });
    expect((await lookUp({ emails: ["åNGSTRÖM@example.COM"] })).items).toHaveLength(1);
    expect((await lookUp({ ids: [id.toUpperCase()] })).items).toHaveLength(1);
  });

  test("100 at once, with one query for each kind of key that is given", async () => {
    const people = await Promise.all(Array.from({ length: 40 }, () => createUser(service)));
    const sent = jest.spyOn(pg.Client.prototype, "query");
    const { items } = await lookUp({
      ids: people.map(({ id }) => id),
      emails: people.map(({ email }) => email).concat(Array(20).fill("nobody@example.com")),
    });
    const names = sent.mock.calls.map(([statement]) => (statement as { name?: string }).name ?? "");
    sent.mockRestore();
    expect(items).toHaveLength(40);
    expect(names.filter((name) => name.startsWith("find-users")).sort()).toEqual([
      "find-users",
      "find-users-by-email",
    ]);
  });

  test("none for an empty body", async () => {
    expect(await lookUp({})).toEqual({ items: [], missing: NONE });
  });
});

describe("names as missing", () => {
  test("the keys that no user has, each once", async () => {
    const { id, keycloakId, email } = await createUser(service);
    const unknown = crypto.randomUUID();
    const found = await lookUp({
      ids: [id, unknown, unknown],
      keycloakIds: ["nobody", keycloakId, "nobody"],
      emails: ["Nobody@example.com", email, "nobody@EXAMPLE.com"],
    });
    expect(found.missing).toEqual({
      ids: [unknown],
      keycloakIds: ["nobody"],
      emails: [expect.stringMatching(/^nobody@example\.com$/i)],
    });
  });

  test("deleted users", async () => {
    const { id, keycloakId, email } = await createUser(service);
    await service.http.delete(`/api/v1/users/${id}`).set(service.internal).expect(200);
    const keys = { ids: [id], keycloakIds: [keycloakId], emails: [email] };
    expect(await lookUp(keys)).toEqual({ items: [], missing: keys });
  });
});

describe("is 400 and names the field", () => {
  const ids = (length: number) => Array.from({ length }, () => crypto.randomUUID());
  const emails = (length: number) => Array.from({ length }, (_, i) => `e${i}@example.com`);
  test.each<[string, object, string[]]>([
    ["101 ids", { ids: ids(101) }, ["ids"]],
    [
      "101 keys together",
      { ids: ids(50), keycloakIds: ["a"], emails: emails(50) },
      ["ids", "keycloakIds", "emails"],
    ],
    ["a malformed id", { ids: [...ids(2), "nonsense"] }, ["ids.2"]],
    ["an id that is a number", { ids: [1] }, ["ids.0"]],
    ["an id that is null", { ids: [null] }, ["ids"]],
    ["a malformed e-mail", { emails: ["a@example.com", "nonsense"] }, ["emails.1"]],
    ["an empty keycloakId", { keycloakIds: [""] }, ["keycloakIds.0"]],
    ["a keycloakId of 256 characters", { keycloakIds: ["k".repeat(256)] }, ["keycloakIds.0"]],
    ["a keycloakId with NUL", { keycloakIds: ["k\0"] }, ["keycloakIds.0"]],
    ["ids that are not a list", { ids: crypto.randomUUID() }, ["ids"]],
    ["ids that are an object", { ids: { 0: crypto.randomUUID() } }, ["ids"]],
    ["ids that are null", { ids: null }, ["ids"]],
    ["an unknown field", { names: ["Ada"] }, ["names"]],
  ])("for %s", async (_which, body, fields) => {
    const answer = await post(body).expect(400);
    expect(answer.body).toEqual(errorBody(400, "Validation failed", PATH, fields));
  });

  test("for 5,000 malformed ids, of which it names 100", async () => {
    expect(fieldsOf((await post({ ids: Array(5_000).fill("x") }).expect(400)).body)).toHaveLength(100);
  });
});

test("users who exceed a Kafka message are 400, and fewer of them are found", async () => {
  await service.database.sql(
    `INSERT INTO users (keycloak_id, email, full_name, bio)
     SELECT 'm' || n, 'm' || n || '@example.com', 'Large', repeat('\u{1f600}', 2000) FROM generate_series(1, 100) AS n`,
  );
  const keycloakIds = Array.from({ length: 100 }, (_, i) => `m${i + 1}`);
  const { body: refused } = await post({ keycloakIds }).expect(400);
  expect(fieldsOf(refused)).toEqual(["keycloakIds"]);
  expect(refused.details[0].message).toMatch(/ask for fewer/);
  expect((await lookUp({ keycloakIds: keycloakIds.slice(50) })).items).toHaveLength(50);
});

test("GET /users/lookup is 405, because `lookup` is not read as an id", async () => {
  const { headers } = await service.http.get(PATH).set(service.internal).expect(405);
  expect(headers.allow).toBe("POST");
});

test("the action users.lookup finds the same for other Moleculer services", async () => {
  const { id } = await createUser(service);
  expect(await service.broker.call("users.lookup", { ids: [id] })).toEqual(await lookUp({ ids: [id] }));
});
