import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { ServiceSchema } from "moleculer";
import DbService from "moleculer-db";
import type { User } from "../../services/users/users.contract.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 23: users.resolve, called by moleculer-db's `populates` of other services. */

/** Another team's service, with moleculer-db's own adapter in memory. */
const posts = {
  name: "posts",
  mixins: [DbService as unknown as Partial<ServiceSchema>],
  settings: {
    populates: {
      author: "users.resolve",
      voters: { action: "users.resolve", params: { fields: ["id", "profile.fullName"] } },
      editor: { action: "users.resolve", params: { fields: "email profile.fullName" } },
    },
  } as object,
};

let service: TestService;
let ada: User;
let ben: User;
let gone: User;
beforeAll(async () => {
  service = await startService({ services: [posts] });
  const userOf = ({ headers: _, ...user }: Person): User => user;
  ada = userOf(await createUser(service, { profile: { fullName: "Ada" } }));
  ben = userOf(await createUser(service, { profile: { fullName: "Ben" } }));
  gone = userOf(await createUser(service));
  await service.http.delete(`/api/v1/users/${gone.id}`).set(service.internal).expect(200);
});
afterAll(() => service.stop());

const resolve = <Result = unknown>(params: object, meta = {}) =>
  service.broker.call<Result, object>("users.resolve", params, { meta });
const unknown = crypto.randomUUID();

describe("a moleculer-db service that names users.resolve in its populates", () => {
  type Post = { author: unknown; voters: unknown[]; editor: unknown };
  const populated = async (post: object, populate: string[]): Promise<Post> => {
    const { _id } = await service.broker.call<{ _id: string }, object>("posts.create", post);
    return service.broker.call("posts.get", { id: _id, populate });
  };

  test("gets the user instead of an id", async () => {
    expect(await populated({ author: ada.id }, ["author"])).toMatchObject({ author: ada });
  });

  test("gets the named fields of each user of a list, in order, without unknown and deleted users", async () => {
    const { voters } = await populated({ voters: [ben.id, unknown, gone.id, ada.id] }, ["voters"]);
    expect(voters).toEqual([
      { id: ben.id, profile: { fullName: "Ben" } },
      { id: ada.id, profile: { fullName: "Ada" } },
    ]);
  });

  test("can name the fields in one text", async () => {
    const { editor } = await populated({ editor: ada.id }, ["editor"]);
    expect(editor).toEqual({ email: ada.email, profile: { fullName: "Ada" } });
  });

  test("gets nothing for an unknown id", async () => {
    expect((await populated({ author: unknown }, ["author"])).author).toBeUndefined();
  });

  test("gets the users of many documents in one call", async () => {
    for (const author of [ada.id, ben.id, ada.id])
      await service.broker.call("posts.create", { author, many: true });
    const found = await service.broker.call<Post[], object>("posts.find", {
      query: { many: true },
      populate: ["author"],
    });
    expect(found.map(({ author }) => (author as User).profile.fullName).sort()).toEqual([
      "Ada",
      "Ada",
      "Ben",
    ]);
  });
});

describe("without mapping", () => {
  test("one id returns one user", async () => {
    expect(await resolve({ id: ada.id })).toEqual(ada);
    expect(await resolve({ id: ada.id.toUpperCase(), mapping: false })).toEqual(ada);
  });

  test("a list of ids returns the existing users, each once, in the order of the ids", async () => {
    expect(await resolve({ id: [ben.id, unknown, ada.id, gone.id, ben.id] })).toEqual([ben, ada]);
    expect(await resolve({ id: [unknown] })).toEqual([]);
    expect(await resolve({ id: [] })).toEqual([]);
  });

  test.each([
    ["that no user has", () => unknown],
    ["of a deleted user", () => gone.id],
  ])("one id %s is 404", async (_which, idOf) => {
    await expect(resolve({ id: idOf() })).rejects.toMatchObject({
      code: 404,
      type: "USER_NOT_FOUND",
      message: `User with ID ${idOf()} not found`,
    });
  });
});

describe("with mapping", () => {
  test("a list of ids returns an object of the existing users by id", async () => {
    const found = await resolve({ id: [ada.id, unknown, ben.id], mapping: true });
    expect(found).toEqual({ [ada.id]: ada, [ben.id]: ben });
    expect(await resolve({ id: [unknown], mapping: true })).toEqual({});
  });

  test("one id returns an object with one user, or 404", async () => {
    expect(await resolve({ id: ada.id, mapping: true })).toEqual({ [ada.id]: ada });
    await expect(resolve({ id: unknown, mapping: true })).rejects.toMatchObject({ code: 404 });
  });
});

describe("with fields", () => {
  const some = { profile: { fullName: "Ada", bio: null }, email: expect.any(String) };
  test.each<[string, string | string[], object]>([
    ["a list", ["email", "profile.fullName", "profile.bio"], some],
    ["a text with commas and spaces", "email, profile.fullName profile.bio", some],
    ["a whole part and a field of it", ["stats", "stats.storageUsed"], { stats: expect.any(Object) }],
    ["no field", [], {}],
  ])("%s selects exactly the named fields", async (_which, fields, expected) => {
    expect(await resolve({ id: ada.id, fields })).toEqual(expected);
  });

  test("the mapping is by id, also if `id` is not selected", async () => {
    expect(await resolve({ id: [ada.id], mapping: true, fields: ["email"] })).toEqual({
      [ada.id]: { email: ada.email },
    });
  });
});

describe("is refused with the name of the field:", () => {
  test.each<[string, object, string[]]>([
    ["1,001 ids", { id: Array.from({ length: 1_001 }, () => crypto.randomUUID()) }, ["id"]],
    ["a malformed id", { id: "nonsense" }, ["id"]],
    ["a malformed id in a list", { id: [crypto.randomUUID(), "nonsense"] }, ["id.1"]],
    ["null in a list", { id: [null] }, ["id.0"]],
    ["a number", { id: 1 }, ["id"]],
    ["no id", {}, ["id"]],
    ["an id that is null", { id: null }, ["id"]],
    ["an object", { id: { $ne: null } }, ["id"]],
    ["a field that a user does not have", { id: [], fields: ["email", "deletedAt"] }, ["fields.1"]],
    ["a column", { id: [], fields: "avatar_key" }, ["fields"]],
    ["__proto__", { id: [], fields: ["__proto__", "constructor"] }, ["fields.0", "fields.1"]],
    ["a mapping that is a text", { id: [], mapping: "true" }, ["mapping"]],
    ["populate, which users do not support", { id: [], populate: ["company"] }, ["populate"]],
  ])("%s", async (_which, params, fields) => {
    await expect(resolve(params)).rejects.toMatchObject({
      code: 400,
      type: "VALIDATION_ERROR",
      data: fields.map((field) => ({ field, message: expect.any(String) })),
    });
  });

  test("a caller who is neither an admin nor a service", async () => {
    const as = (user: object) => ({ caller: { internal: false, user } });
    await expect(resolve({ id: ada.id }, as({ sub: ada.keycloakId, admin: false }))).rejects.toMatchObject({
      code: 403,
    });
    expect(await resolve({ id: ada.id }, as({ sub: "an-admin", admin: true }))).toEqual(ada);
  });
});

test("1,000 users are resolved in one call; if they would exceed a Kafka message, with selected fields", async () => {
  const rows = await service.database.sql<{ id: string }>(
    `INSERT INTO users (keycloak_id, email, full_name, bio)
     SELECT 'm' || n, 'm' || n || '@example.com', 'Person ' || n, repeat('x', 2000)
     FROM generate_series(1, 1000) AS n RETURNING id`,
  );
  const id = rows.map((row) => row.id);
  const tooLarge = { code: 400, data: [{ field: "id", message: expect.stringMatching(/fewer.*fields/) }] };
  await expect(resolve({ id })).rejects.toMatchObject(tooLarge);
  expect(await resolve({ id: id.slice(0, 300) })).toHaveLength(300);
  const found = await resolve<object>({ id, mapping: true, fields: ["profile.fullName"] });
  expect(Object.keys(found).sort()).toEqual([...id].sort());
});
