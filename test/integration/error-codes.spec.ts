import net from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { call } from "../../lib/contract/call.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody } from "../helpers/errors.ts";
import { allRows, createUser, newUser, type Person } from "../helpers/people.ts";
import { type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Errors for programs, and the caller's own id of a request (contract 21 and 22). */
const events = collectEvents();
let service: TestService;
let owner: Person;
let suspended: Person;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  owner = await createUser(service);
  suspended = await createUser(service);
  await call(service.broker, "identities.suspend", { id: suspended.id, reason: "Sent spam" });
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const MISSING = "00000000-0000-4000-8000-000000000000";
const PROBLEM = { accept: "application/problem+json" };
const TRACE = "0af7651916cd43dd8448eb211c80319c";

type Case = { code: string; status: number; asked: () => Asked };
const as = (asked: Asked, headers: object = service.internal): Asked => ({
  ...asked,
  headers: { ...headers },
});
const taken = () => newUser({ email: owner.email });
const CASES: Case[] = [
  { code: "VALIDATION_ERROR", status: 400, asked: () => as({ path: `${users}/42` }) },
  {
    code: "BAD_REQUEST",
    status: 400,
    asked: () => as({ method: "PATCH", path: `${users}/${owner.id}`, body: "{" }),
  },
  { code: "BAD_REQUEST", status: 400, asked: () => as({ path: `${users}/%ff` }) },
  { code: "UNAUTHORIZED", status: 401, asked: () => ({ path: users }) },
  { code: "FORBIDDEN", status: 403, asked: () => as({ path: users }, owner.headers) },
  { code: "ACCOUNT_SUSPENDED", status: 403, asked: () => as({ path: `${users}/me` }, suspended.headers) },
  { code: "USER_NOT_FOUND", status: 404, asked: () => as({ path: `${users}/${MISSING}` }) },
  { code: "AVATAR_NOT_FOUND", status: 404, asked: () => ({ path: `${users}/${owner.id}/avatar` }) },
  { code: "ROUTE_NOT_FOUND", status: 404, asked: () => ({ path: "/api/v1/nothing" }) },
  { code: "METHOD_NOT_ALLOWED", status: 405, asked: () => ({ method: "DELETE", path: users }) },
  { code: "EMAIL_TAKEN", status: 409, asked: () => as({ method: "POST", path: users, body: taken() }) },
  {
    code: "KEYCLOAK_ID_TAKEN",
    status: 409,
    asked: () => as({ method: "POST", path: users, body: newUser({ keycloakId: owner.keycloakId }) }),
  },
  {
    code: "VERSION_CONFLICT",
    status: 412,
    asked: () =>
      as(
        { method: "PATCH", path: `${users}/${owner.id}`, body: {} },
        { ...service.internal, "if-match": '"0"' },
      ),
  },
  {
    code: "BODY_TOO_LARGE",
    status: 413,
    asked: () => as({ method: "PATCH", path: `${users}/${owner.id}`, body: { x: "x".repeat(2 ** 20) } }),
  },
  {
    code: "REQUEST_REFUSED",
    status: 417,
    asked: () => ({ path: users, headers: { expect: "something" } }),
  },
  { code: "ROUTE_NOT_FOUND", status: 404, asked: () => ({ path: "/docs/nothing.js" }) },
];

describe.each(CASES)("$code ($status)", ({ code, status, asked }) => {
  test("is in the header x-error-code", async () => {
    const answer = await request(service.url, asked());
    expect([answer.status, answer.headers["x-error-code"]]).toEqual([status, code]);
  });

  test("has the default format unless the client accepts application/problem+json", async () => {
    const answer = await request(service.url, asked());
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    const { details, ...body } = answer.body;
    expect(body).toEqual(errorBody(status, expect.any(String)));
    expect(Object.keys(answer.body).slice(0, 6)).toEqual(Object.keys(errorBody(status, "")).slice(0, 6));
    expect(details !== undefined).toBe(code === "VALIDATION_ERROR");
  });

  test("is a problem of RFC 9457 with Accept: application/problem+json", async () => {
    const { headers, ...rest } = asked();
    const plain = await request(service.url, asked());
    const answer = await request(service.url, { ...rest, headers: { ...headers, ...PROBLEM } });
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.headers["x-error-code"]).toBe(code);
    expect(answer.body).toEqual({
      type: `urn:user-service:error:${code.toLowerCase().replaceAll("_", "-")}`,
      title: plain.body.error,
      status,
      detail: plain.body.message,
      instance: plain.body.path,
      code,
      traceId: answer.headers["x-correlation-id"],
      ...(plain.body.details && { errors: plain.body.details }),
    });
  });
});

test("an internal failure is INTERNAL_ERROR, and neither format reveals its cause", async () => {
  await service.database.sql("ALTER TABLE users RENAME COLUMN bio TO bio_away");
  try {
    const path = `${users}?search=secret`;
    for (const headers of [{}, PROBLEM]) {
      const answer = await request(service.url, { path, headers: { ...service.internal, ...headers } });
      expect([answer.status, answer.headers["x-error-code"]]).toEqual([500, "INTERNAL_ERROR"]);
      expect(JSON.stringify(answer.body)).not.toMatch(/bio|column|secret/);
    }
  } finally {
    await service.database.sql("ALTER TABLE users RENAME COLUMN bio_away TO bio");
  }
});

test("a HEAD request gets the code of its error without a body", async () => {
  const answer = await request(service.url, { method: "HEAD", path: users });
  expect([answer.status, answer.headers["x-error-code"], answer.bytes.length]).toEqual([
    401,
    "UNAUTHORIZED",
    0,
  ]);
});

test("an error on METRICS_PORT has its code too", async () => {
  const answer = await request(service.nodeUrl, { path: "/nothing" });
  expect(answer.headers["x-error-code"]).toBe("ROUTE_NOT_FOUND");
  expect(answer.headers["x-correlation-id"]).toBe(answer.body.traceId);
});

/** The answer of the server to bytes that are not a request. */
const sendBytes = (bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text)).on("error", reject);
    socket.write(bytes);
  });

test.each(["no http\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"])(
  "an error that is raised by the parser has its code and its trace id: %j",
  async (bytes) => {
    const [head = "", body = ""] = (await sendBytes(bytes)).split("\r\n\r\n");
    expect(head).toMatch(/^x-error-code: REQUEST_REFUSED$/im);
    expect(head).toMatch(new RegExp(`^x-correlation-id: ${JSON.parse(body).traceId}$`, "im"));
  },
);

describe("x-correlation-id", () => {
  const rename = (fullName: string, headers: Record<string, string>) =>
    request(service.url, {
      method: "PATCH",
      path: `${users}/${owner.id}`,
      body: { profile: { fullName } },
      headers: { ...service.internal, ...headers },
    });
  const lastEvent = async () => {
    await outboxEmpty(service.database);
    return events.received.filter(({ userId }) => userId === owner.id).at(-1);
  };

  test.each(["a", "order-4711/!x", "~".repeat(128)])(
    "of 1 to 128 visible ASCII characters becomes the correlationId of the events and is echoed: %s",
    async (id) => {
      const answer = await rename(`Name ${id.slice(0, 10)} x`, { "x-correlation-id": id });
      expect([answer.status, answer.headers["x-correlation-id"]]).toEqual([200, id]);
      expect((await lastEvent())?.metadata.correlationId).toBe(id);
    },
  );

  test("is the trace id if the caller sends none, in the answer and in the event", async () => {
    const answer = await rename("No Correlation", { traceparent: `00-${TRACE}-b7ad6b7169203331-01` });
    expect(answer.headers["x-correlation-id"]).toBe(TRACE);
    expect((await lastEvent())?.metadata.correlationId).toBe(TRACE);
  });

  test("does not replace the trace id of an error", async () => {
    const headers = { "x-correlation-id": "mine", traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    const answer = await request(service.url, { path: users, headers });
    expect([answer.headers["x-correlation-id"], answer.body.traceId]).toEqual(["mine", TRACE]);
  });

  test.each<[string, () => Asked]>([
    ["a success", () => as({ path: users })],
    ["an error", () => ({ path: users })],
    ["an unknown route", () => ({ path: "/nothing" })],
    ["a refused header", () => ({ path: users, headers: { expect: "something" } })],
    ["health", () => ({ path: "/health/live" })],
    ["a document", () => ({ path: "/openapi.json" })],
    ["HEAD", () => as({ method: "HEAD", path: users })],
  ])("is echoed on %s, and is the trace id without one", async (_, asked) => {
    const { headers, ...rest } = asked();
    const answer = await request(service.url, {
      ...rest,
      headers: { ...headers, "x-correlation-id": "mine" },
    });
    expect(answer.headers["x-correlation-id"]).toBe("mine");
    const without = await request(service.url, asked());
    expect(without.headers["x-correlation-id"]).toMatch(/^[0-9a-f]{32}$/);
  });

  test.each([
    ["of 129 characters", "x".repeat(129)],
    ["that is empty", ""],
    ["with a space", "a b"],
    ["with a tab", "a\tb"],
    ["with a character outside ASCII", "\u00fc"],
    ["that is sent twice", ["a", "b"]],
  ])("%s is 400, and nothing changes", async (_, id) => {
    const before = await allRows(service);
    const answer = await rename("Changed Name", { "x-correlation-id": id as string });
    expect(answer.status).toBe(400);
    expect(answer.body.details).toEqual([
      { field: "x-correlation-id", message: "must be 1 to 128 visible ASCII characters" },
    ]);
    expect(answer.headers["x-correlation-id"]).toBe(answer.body.traceId);
    expect(await allRows(service)).toEqual(before);
  });

  test("that is invalid is 400 on /health too, and is checked after the caller", async () => {
    const headers = { "x-correlation-id": "a b" };
    expect((await request(service.url, { path: "/health/live", headers })).status).toBe(400);
    expect((await request(service.url, { path: users, headers })).status).toBe(401);
  });
});
