import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { Errors } from "moleculer";
import type { Meta } from "../../lib/contract/caller.ts";
import { createUser, newUser, rowOf } from "../helpers/people.ts";
import { sendRaw } from "../helpers/raw-http.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 21: which answers an Idempotency-Key stores after failures, and malformed keys. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const key = () => ({ "idempotency-key": crypto.randomUUID() });
const create = (headers: Record<string, string>, body: object) =>
  service.http.post("/api/v1/users").set(service.internal).set(headers).send(body);
const increment = (id: string, headers: Record<string, string>) =>
  service.http.post(`/api/v1/users/${id}/stats/increment-interviews`).set(service.internal).set(headers);
const sql = (text: string) => service.database.sql(text);

/** Renames a table while `work` runs, so that every query that needs it fails with 503. */
async function without(table: string, work: () => Promise<unknown>): Promise<void> {
  await sql(`ALTER TABLE ${table} RENAME TO renamed`);
  try {
    await work();
  } finally {
    await sql(`ALTER TABLE renamed RENAME TO ${table}`);
  }
}

describe("of the answers of an action", () => {
  /** Runs work that fails with this error, and then a repeat that would succeed. */
  async function repeatAfter(error: Error): Promise<unknown> {
    const { once } = await import("../../models/idempotency.ts");
    const call = () => ({
      action: { name: "test.action" },
      params: {},
      meta: { idempotencyKey: String(error.message) } as Meta,
      locals: {},
    });
    await expect(once(call(), () => Promise.reject(error))).rejects.toMatchObject({ message: error.message });
    return once(call(), async () => "done").catch(({ message }) => message);
  }
  const failing = (status: number) =>
    new Errors.MoleculerError(`${status} ${crypto.randomUUID()}`, status, `TYPE_${status}`);

  test.each([400, 402, 404, 405, 409, 410, 412, 413, 415, 422, 423, 499])(
    "a %i is stored",
    async (status) => {
      const error = failing(status);
      expect(await repeatAfter(error)).toBe(error.message);
    },
  );

  test.each([401, 403, 408, 429, 500, 502, 503, 504])(
    "a %i is not stored: the repeat does the work",
    async (status) => {
      expect(await repeatAfter(failing(status))).toBe("done");
    },
  );

  test.each([
    ["without a code", new Error(`plain ${crypto.randomUUID()}`)],
    ["of the database", Object.assign(new Error(`23514 ${crypto.randomUUID()}`), { code: "23514" })],
    ["with a code but no type", Object.assign(new Error(`404 ${crypto.randomUUID()}`), { code: 404 })],
  ])("an error %s is not stored", async (_which, error) => {
    expect(await repeatAfter(error)).toBe("done");
  });
});

describe("a 503", () => {
  test("of the first request is not stored: the repeat is counted", async () => {
    const { id } = await createUser(service);
    const headers = key();
    await without("users", () => increment(id, headers).expect(503));
    const { headers: answered } = await increment(id, headers).expect(200);
    expect(answered["idempotency-replayed"]).toBeUndefined();
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 1 });
  });

  test("of a repeat does not change the stored answer: the next repeat gets it", async () => {
    const { id } = await createUser(service);
    const headers = key();
    const first = await increment(id, headers).expect(200);
    await without("idempotent_answers", async () => {
      const refused = await increment(id, headers).expect(503);
      expect(refused.headers["retry-after"]).toBe("1");
      expect(refused.headers["idempotency-replayed"]).toBeUndefined();
    });
    const second = await increment(id, headers).expect(200);
    expect(second.text).toBe(first.text);
    expect(second.headers["idempotency-replayed"]).toBe("true");
    expect(await rowOf(service, id)).toMatchObject({ interviews_created: 1 });
  });
});

test("if the answer cannot be stored, the change and its event are rolled back, and a repeat does the work", async () => {
  const [headers, body] = [key(), newUser()];
  await sql("ALTER TABLE idempotent_answers ADD CONSTRAINT refuse_all CHECK (false) NOT VALID");
  await create(headers, body).expect(500);
  const rows = await service.database.sql("SELECT FROM users WHERE keycloak_id = $1", [body.keycloakId]);
  const events = await service.database.sql("SELECT FROM outbox WHERE value::text LIKE $1", [
    `%${body.email}%`,
  ]);
  expect([rows, events]).toEqual([[], []]);
  await sql("ALTER TABLE idempotent_answers DROP CONSTRAINT refuse_all");
  await create(headers, body).expect(201);
});

test("a repeat may differ in white space around a text, but not in the text", async () => {
  const [headers, body] = [key(), newUser()];
  const { text } = await create(headers, body).expect(201);
  const spaced = { ...body, profile: { fullName: `  ${body.profile.fullName} ` } };
  expect((await create(headers, spaced).expect(201)).text).toBe(text);
  await create(headers, { ...body, profile: { fullName: `${body.profile.fullName}x` } }).expect(422);
});

test("a stored error keeps its code, and is returned as application/problem+json to a repeat that accepts it", async () => {
  const headers = key();
  const id = crypto.randomUUID();
  const first = await increment(id, headers).expect(404);
  const second = await increment(id, { ...headers, accept: "application/problem+json" }).expect(404);
  expect(second.headers["x-error-code"]).toBe(first.headers["x-error-code"]);
  expect(second.body).toMatchObject({ code: "USER_NOT_FOUND", detail: first.body.message });
  expect(second.headers["idempotency-replayed"]).toBe("true");
});

test("30 equal increments with one key are counted once; each answer is the same 200, or 409 with Retry-After: 1", async () => {
  const { id } = await createUser(service);
  const headers = key();
  const all = await Promise.all(Array.from({ length: 30 }, () => increment(id, headers)));
  const counted = all.filter(({ status }) => status === 200);
  const busy = all.filter(({ status }) => status === 409);
  expect([counted.length > 0, counted.length + busy.length]).toEqual([true, 30]);
  expect(new Set(counted.map(({ text }) => text)).size).toBe(1);
  expect(busy.filter((answer) => answer.headers["retry-after"] !== "1")).toEqual([]);
  expect(await rowOf(service, id)).toMatchObject({ interviews_created: 1 });
});

describe("a malformed Idempotency-Key", () => {
  const send = async (...lines: string[]) => {
    const body = JSON.stringify(newUser());
    const head = [
      "POST /api/v1/users HTTP/1.1",
      "Host: localhost",
      "Connection: close",
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      `x-internal-token: ${service.internal["x-internal-token"]}`,
      ...lines,
    ];
    const before = await sql("SELECT id FROM users");
    const [answer] = await sendRaw(service.url, `${head.join("\r\n")}\r\n\r\n${body}`);
    expect(await sql("SELECT id FROM users")).toEqual(before);
    return { status: answer?.status, body: JSON.parse(answer?.body ?? "{}") };
  };

  test.each([0, 1, 7, 8, 11, 12, 27, 31, 127].map((code) => [code.toString(16).padStart(2, "0"), code]))(
    "with the control character 0x%s is 400 and changes nothing",
    async (_hex, code) => {
      const { status, body } = await send(`Idempotency-Key: a${String.fromCharCode(Number(code))}b`);
      expect([status, body.statusCode]).toEqual([400, 400]);
    },
  );

  test.each([
    ["of 256 characters", "k".repeat(256)],
    ["of 10,000 characters", "k".repeat(10_000)],
    ["of one byte outside ASCII", "\x80"],
    ["of spaces", "   "],
  ])("%s is 400 and names the header", async (_which, value) => {
    const { status, body } = await send(`Idempotency-Key: ${value}`);
    expect([status, body.details]).toEqual([
      400,
      [{ field: "Idempotency-Key", message: "must be 1 to 255 visible ASCII characters" }],
    ]);
  });

  test("given twice is 400 and names the header", async () => {
    const { status, body } = await send("Idempotency-Key: one", "Idempotency-Key: two");
    expect([status, body.details?.[0]?.field]).toEqual([400, "Idempotency-Key"]);
  });
});

test("a repeat that another service makes does not mark its next call as replayed", async () => {
  const [one, other] = [newUser(), newUser()];
  const name = `caller-${crypto.randomUUID()}`;
  service.broker.createService({
    name,
    actions: {
      async signUp(ctx) {
        const withKey = (idempotencyKey: string) => ({ meta: { idempotencyKey } });
        await ctx.call("users.create", one, withKey("first"));
        await ctx.call("users.create", one, withKey("first"));
        const { replayed } = ctx.meta as Meta;
        await ctx.call("users.create", other, withKey("second"));
        return [replayed, (ctx.meta as Meta).replayed];
      },
    },
  });
  await service.broker.waitForServices(name);
  expect(await service.broker.call(`${name}.signUp`)).toEqual([true, false]);
});

test("user_create is logged once per creation: not for a repeat, and not for a PUT of an existing user", async () => {
  const info = jest.spyOn(service.broker.getLocalService("users").logger, "info");
  const [headers, body] = [key(), newUser()];
  const { body: user } = await create(headers, body).expect(201);
  await create(headers, body).expect(201);
  const { keycloakId, ...rest } = newUser();
  const put = () =>
    service.http.put(`/api/v1/users/by-keycloak/${keycloakId}`).set(service.internal).send(rest);
  const { body: ensured } = await put().expect(201);
  await put().expect(200);
  const lines = info.mock.calls.map(([line]) => line).filter(({ action }) => action === "user_create");
  expect(lines.map(({ userId }) => userId)).toEqual([user.id, ensured.id]);
});
