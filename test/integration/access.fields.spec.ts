import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { fieldsOf } from "../helpers/errors.ts";
import { allRows, createUser, newUser, type Person } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";

/** What must not be reachable: columns through request bodies, internal actions and secrets through the broker. */
let service: TestService;
let person: Person;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
});
afterAll(() => service.stop());

type Body = Record<string, unknown>;
/** Each request with a body, the object in it that gets unknown fields, and the known fields of that object. */
const BODIES: [string, string, () => Body, string, string[]][] = [
  ["POST", "", () => newUser(), "", ["keycloakId", "email", "profile"]],
  ["POST", "", () => newUser(), "profile", ["fullName", "companyName", "phone", "bio"]],
  ["PATCH", "/:id", () => ({ profile: { bio: "x" } }), "", ["profile"]],
  [
    "PATCH",
    "/:id",
    () => ({ profile: { bio: "x" } }),
    "profile",
    ["fullName", "companyName", "phone", "bio"],
  ],
  ["PUT", "/:id/profile", () => ({ fullName: "New Name" }), "", ["fullName", "companyName", "phone", "bio"]],
  ["PUT", "/:id/email", () => ({ email: "new@example.com" }), "", ["email"]],
  ["PATCH", "/:id/preferences", () => ({ language: "de" }), "", ["language", "timezone", "notifications"]],
  ["PATCH", "/:id/preferences", () => ({ notifications: { marketing: true } }), "notifications", ["email"]],
  ["PATCH", "/:id/quotas", () => ({ maxInterviews: 1 }), "", ["maxInterviews", "maxStorage"]],
  ["POST", "/lookup", () => ({ ids: [] }), "", ["ids", "keycloakIds", "emails"]],
  ["POST", "/:id/revert", () => ({ version: 1 }), "", ["version"]],
  ["POST", "/:id/erasure", () => ({}), "", ["reason"]],
  ["DELETE", "/:id/erasure", () => ({}), "", []],
  ["PUT", "/:id/hold", () => ({ reason: "court case" }), "", ["reason"]],
  ["DELETE", "/:id/hold", () => ({}), "", ["reason"]],
  ["POST", "/:id/restore", () => ({}), "", []],
  ["POST", "/:id/suspend", () => ({ reason: "Sent spam" }), "", ["reason"]],
  ["POST", "/:id/activate", () => ({}), "", []],
  ["POST", "/:id/stats/increment-interviews", () => ({}), "", []],
  ["POST", "/:id/quota/reservations", () => ({ resource: "storage" }), "", ["resource", "amount", "ttl"]],
  ["POST", `/:id/quota/reservations/${crypto.randomUUID()}/commit`, () => ({}), "", []],
  ["DELETE", `/:id/quota/reservations/${crypto.randomUUID()}`, () => ({}), "", []],
  ["DELETE", "/:id", () => ({}), "", []],
  ["DELETE", "/:id/avatar", () => ({}), "", []],
];

test.each(BODIES)(
  "%s /users%s refuses each column of the database as a field",
  async (method, route, bodyOf, inside, known) => {
    const columns = await service.database.sql<{ column_name: string }>(
      "SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = 'user_service'",
    );
    const names = columns.map(({ column_name }) => column_name);
    expect(names).toEqual(expect.arrayContaining(["storage_used", "deleted_at", "event_id", "avatar_key"]));
    const camel = (name: string) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    const more = ["role", "roles", "stats", "quotas", "$set", "meta", "caller", "access"];
    const fields = new Set([...names, ...names.map(camel), ...more]);
    const before = await allRows(service);
    const unknown = [...fields].filter((name) => name !== "id" && !known.includes(name));
    const half = unknown.length / 2; // details name at most 100 fields
    for (const some of [["id"], unknown.slice(0, half), unknown.slice(half)]) {
      const body = bodyOf();
      Object.assign(
        inside ? (body[inside] as Body) : body,
        Object.fromEntries(some.map((name) => [name, 1])),
      );
      const path = `/api/v1/users${route.replace(":id", person.id)}`;
      const headers = { ...service.internal, ...(await service.admin()) };
      const answer = await request(service.url, { method, path, body, headers });
      expect(answer.status).toBe(400);
      const expected = some.map((field) => (inside ? `${inside}.${field}` : field));
      expect(fieldsOf(answer.body).sort()).toEqual(expected.sort());
    }
    expect(await allRows(service)).toEqual(before);
  },
);

type Listed = { name: string; action?: { name: string; visibility?: string } };
type Shown = { name: string; settings: object };

describe("from another node", () => {
  const listed = async () =>
    (await service.broker.call<Listed[], object>("$node.actions", { skipInternal: true })).map(
      ({ name }) => name,
    );

  test("the actions of contract 12 can be called, those of `Internal` in services/contracts.ts among our own services, and no others", async () => {
    const spec = {
      users:
        "create ensure get getByKeycloakId getByEmail list lookup resolve update replaceProfile changeEmail remove getPreferences updatePreferences history revert restore export requestErasure getErasure cancelErasure hold releaseHold eraseNow inventory purge receive findPerson follow signUp",
      stats: "get incrementInterviews getQuotas setQuotas reserve commit release apply getAny",
      avatars: "upload get remove",
      identities: "get getByKeycloakId suspend activate receive sync",
      database: "health",
    };
    const expected = Object.entries(spec).flatMap(([name, actions]) =>
      actions.split(" ").map((action) => `${name}.${action}`),
    );
    expect((await listed()).sort()).toEqual(expected.sort());
  });

  test.each([
    ...["insert", "find", "count"].map((action) => `users.${action}`),
    "users._find",
    "api.rest",
    "api.addRoute",
    "api.removeRoute",
    "api.listAliases",
    "$node.options",
  ])("%s can't be called", async (action) => {
    await expect(service.broker.call(action, {})).rejects.toMatchObject({ type: "SERVICE_NOT_FOUND" });
  });

  test("the published description of the services contains no secret", async () => {
    const { DATABASE_PASSWORD = "", DATABASE_HOST = "" } = process.env;
    const services = await service.broker.call<Shown[], object>("$node.services", {});
    expect(services.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["api", "users", "stats", "avatars"]),
    );
    const shown = JSON.stringify([services, service.broker.registry.getLocalNodeInfo()]);
    expect(shown).not.toContain(INTERNAL_TOKEN);
    for (const secret of [DATABASE_PASSWORD, DATABASE_HOST].filter((value) => value.length > 8))
      expect(shown).not.toContain(secret);
    expect(shown).not.toMatch(/password|minioadmin|secret/i);
  });

  test("a call without a caller counts as internal, one with a caller is checked by the action itself", async () => {
    const { broker } = service;
    const { id } = person;
    await expect(broker.call("stats.get", { id })).resolves.toMatchObject({ storageUsed: 0 });
    const as = (caller: object) => ({ meta: { caller } });
    const stranger = as({ internal: false, user: { sub: "stranger", admin: false } });
    await expect(broker.call("users.get", { id }, stranger)).rejects.toMatchObject({
      code: 403,
      type: "FORBIDDEN",
    });
    const nobody = as({ internal: false });
    await expect(broker.call("users.list", {}, nobody)).rejects.toMatchObject({
      code: 401,
      type: "UNAUTHORIZED",
    });
    await expect(broker.call("stats.incrementInterviews", { id }, stranger)).rejects.toMatchObject({
      code: 403,
    });
    await expect(broker.call("stats.apply", { events: [] }, stranger)).rejects.toMatchObject({ code: 403 });
  });
});
