import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { ARRIVE_WITHIN } from "../../lib/http/arrival.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { png } from "../helpers/images.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { sendRaw } from "../helpers/raw-http.ts";
import { request } from "../helpers/request.ts";
import { samplesAt } from "../helpers/samples.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Raw HTTP requests of clients, proxies and attackers (RFC 9112). */
let service: TestService;
let person: Person;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
});
afterAll(() => service.stop());

const own = (rest = "") => `/api/v1/users/${person.id}${rest}`;
const LAST = `Host: x\r\nx-internal-token: ${INTERNAL_TOKEN}\r\nConnection: close\r\n`;
const send = async (...parts: (string | Buffer)[]) => {
  const [answer] = await sendRaw(service.url, ...parts);
  if (!answer) throw new Error("There was no answer");
  return answer;
};
const counted = async (status: number) =>
  (await samplesAt(service.nodeUrl))[`user_service_http_responses_total{status="${status}"}`] ?? 0;
const api = () => service.broker.getLocalService("api");

describe("an empty body in chunked encoding is treated as no body:", () => {
  test.each([
    ["GET", ""],
    ["POST", "/stats/increment-interviews"],
    ["PATCH", ""],
    ["PATCH", "/preferences"],
    ["GET", "/stats"],
  ])("%s /users/:id%s", async (method, rest) => {
    const head = `${method} ${own(rest)} HTTP/1.1\r\n${LAST}Transfer-Encoding: chunked\r\n\r\n`;
    expect((await send(`${head}0\r\n\r\n`)).status).toBe(200);
    expect((await send(head, "0\r", "\n\r\n")).status).toBe(200);
  });

  test("but a non-empty chunk is a body", async () => {
    const head = `GET ${own()} HTTP/1.1\r\n${LAST}Transfer-Encoding: chunked\r\n\r\n`;
    const { status, body } = await send(`${head}2\r\n{}\r\n0\r\n\r\n`);
    expect([status, JSON.parse(body)]).toEqual([400, errorBody(400, "A GET request takes no body", own())]);
    const patch = `PATCH ${own()} HTTP/1.1\r\n${LAST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const changed = await send(patch, '11\r\n{"profile":{"bio"\r\n', '8\r\n:"bit"}}\r\n0\r\n\r\n');
    expect([changed.status, JSON.parse(changed.body).profile.bio]).toEqual([200, "bit"]);
  });
});

describe("a target in absolute form is treated like its path:", () => {
  test.each(["http://x", "HTTP://x:3003", "https://user@x"])("%s", async (origin) => {
    const { status, body } = await send(`GET ${origin}${own()} HTTP/1.1\r\n${LAST}\r\n`);
    expect([status, JSON.parse(body).id]).toEqual([200, person.id]);
    const missing = await send(`GET ${origin}/nothing?a=b HTTP/1.1\r\n${LAST}\r\n`);
    expect(JSON.parse(missing.body)).toEqual(errorBody(404, "Route not found", "/nothing"));
    const root = await send(`GET ${origin} HTTP/1.1\r\n${LAST}\r\n`);
    expect(JSON.parse(root.body)).toEqual(errorBody(404, "Route not found", "/"));
  });
});

const long = (length: number) => "a".repeat(length);
const GET = "GET /health/live HTTP/1.1\r\n";

describe("a request that Node refuses is answered in the format of contract 3, counted and logged:", () => {
  test.each<[string, string, number, string?]>([
    ["text that is not HTTP", "hello\r\n\r\n", 400],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    ["a method in lower case", `get /health/live HTTP/1.1\r\n${LAST}\r\n`, 400, "/health/live"],
    ["an unknown method", `BREW /health/live HTTP/1.1\r\n${LAST}\r\n`, 400, "/health/live"],
    ["an unknown version", `GET /health/live HTTP/3.7\r\n${LAST}\r\n`, 400, "/health/live"],
    ["a space in the path", `GET /health/live x HTTP/1.1\r\n${LAST}\r\n`, 400, "/health/live"],
    ["no Host", `${GET}Connection: close\r\n\r\n`, 400, "/health/live"],
    ["a header without a colon", `${GET}${LAST}nonsense\r\n\r\n`, 400, "/health/live"],
    ["a space before a header's colon", `${GET}${LAST}X-A : 1\r\n\r\n`, 400, "/health/live"],
    ["an invalid character in a header's name", `${GET}${LAST}X@A: 1\r\n\r\n`, 400, "/health/live"],
    ["NUL in a header", `${GET}${LAST}X-A: a\0b\r\n\r\n`, 400, "/health/live"],
    ["a folded header", `${GET}${LAST}X-A: a\r\n b\r\n\r\n`, 400, "/health/live"],
    [
      "two lengths",
      `PATCH /a?b=c HTTP/1.1\r\n${LAST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      400,
      "/a",
    ],
    ["a negative length", `PATCH /a HTTP/1.1\r\n${LAST}Content-Length: -1\r\n\r\n`, 400, "/a"],
    [
      "a length and chunks",
      `PATCH /a HTTP/1.1\r\n${LAST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      "/a",
    ],
    [
      "an unknown encoding, after the route was checked",
      `PATCH /a HTTP/1.1\r\n${LAST}Transfer-Encoding: zip\r\n\r\n`,
      404,
      "/a",
    ],
    ["an unknown expectation", `PATCH /a HTTP/1.1\r\n${LAST}Expect: 200-ok\r\n\r\n`, 417, "/a"],
    ["a header of 40 kB", `${GET}${LAST}X-A: ${long(40_000)}\r\n\r\n`, 431, "/health/live"],
    ["an address of 40 kB", `GET /${long(40_000)} HTTP/1.1\r\n${LAST}\r\n`, 431],
    ["two Host headers", `${GET}Host: y\r\n${LAST}\r\n`, 400, "/health/live"],
    ["a Host header with a path", `${GET}${LAST.replace("x", "x/y")}\r\n`, 400, "/health/live"],
    ["a Host header with a space", `${GET}${LAST.replace("x", "x y")}\r\n`, 400, "/health/live"],
    ["CONNECT", `CONNECT example.org:443 HTTP/1.1\r\n${LAST}\r\n`, 400, "example.org:443"],
  ])("%s", async (_, text, ...[status, path]) => {
    const before = await counted(status);
    const logged = jest.spyOn(api()?.logger as { info(): void }, "info");
    const answer = await send(text);
    expect(answer).toMatchObject({ status, headers: { connection: "close" } });
    const body = JSON.parse(answer.body);
    expect(body).toEqual(errorBody(status, expect.stringMatching(/./), path ?? expect.any(String)));
    await waitFor(async () => (await counted(status)) === before + 1);
    expect(logged.mock.calls.map(([line]: unknown[]) => line)).toContainEqual(
      expect.objectContaining({ action: "request", status, traceId: body.traceId }),
    );
    logged.mockRestore();
  });

  test.each([
    ["a bad chunk", "zz\r\n"],
    ["chunk extensions of 40 kB", `2;${"a".repeat(40_000)}\r\n{}\r\n0\r\n\r\n`],
  ])("%s in a body that is being read", async (_, chunk) => {
    const head = `PATCH ${own()} HTTP/1.1\r\n${LAST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const { status, body } = await send(`${head}1\r\n{\r\n`, chunk);
    expect([400, 413]).toContain(status);
    expect(JSON.parse(body)).toEqual(errorBody(status, expect.any(String), own()));
  });

  test.each([
    ["with a length", "Content-Length: 100\r\n\r\n{"],
    ["in chunks", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"],
    ["in chunks, before the first one", "Transfer-Encoding: chunked\r\n\r\n"],
    ["after 100 Continue", "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n{"],
  ])("a body that stalls, %s", async (_, rest) => {
    const usual = ARRIVE_WITHIN.body;
    ARRIVE_WITHIN.body = 100;
    const before = await counted(408);
    const logged = jest.spyOn(api()?.logger as { info(): void }, "info");
    const answers = await sendRaw(
      service.url,
      `PATCH ${own()} HTTP/1.1\r\n${LAST}Content-Type: application/json\r\n${rest}`,
    );
    ARRIVE_WITHIN.body = usual;
    const { status, headers, body } = answers.at(-1) ?? { status: 0, headers: {}, body: "" };
    expect([status, headers.connection]).toEqual([408, "close"]);
    expect(JSON.parse(body)).toEqual(errorBody(408, "The request did not arrive in time", own()));
    await waitFor(async () => (await counted(408)) === before + 1);
    expect(logged.mock.calls.map(([line]: unknown[]) => line)).toContainEqual(
      expect.objectContaining({ action: "request", status: 408, traceId: JSON.parse(body).traceId }),
    );
    logged.mockRestore();
  });

  test("METRICS_PORT answers them in the same format", async () => {
    const [bad] = await sendRaw(service.nodeUrl, "hello\r\n\r\n");
    expect(JSON.parse(bad?.body ?? "")).toEqual(errorBody(400, expect.any(String), ""));
  });

  test("earlier requests on the connection are answered first", async () => {
    const ask = `GET ${own()} HTTP/1.1\r\nHost: x\r\nx-internal-token: ${INTERNAL_TOKEN}\r\n\r\n`;
    const answers = await sendRaw(service.url, `${ask}${ask}nonsense\r\n\r\n`);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400]);
  });

  test("a connection on which nothing was sent is closed without an answer", async () => {
    const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end();
    await closed;
    expect(socket.bytesRead).toBe(0);
  });
});

test.each([
  "localhost",
  "api.example.org:8080",
  "127.0.0.1",
  "[::1]:3003",
  "[fe80::1%25eth0]",
  "xn--bcher-kva.example.",
  "user_service:3003",
  "",
])("the Host header %p is accepted", async (host) => {
  const { status } = await send(`GET /health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(status).toBe(200);
});

test("pipelined requests are answered in order", async () => {
  const ask = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const answers = await sendRaw(
    service.url,
    ask("/health/live") + ask("/nothing") + ask("/health/ready", "Connection: close\r\n"),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
});

test("a header of 30 kB is accepted, the size of a token with 300 roles", async () => {
  const token = "a".repeat(30_000);
  const { status } = await send(
    `GET ${own()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
  );
  expect(status).toBe(401);
});

test("an idle connection stays open for 65 seconds, longer than load balancers keep it", async () => {
  const { headers } = await request(service.url, {
    path: "/health/live",
    headers: { connection: "keep-alive" },
  });
  expect(headers["keep-alive"]).toBe("timeout=65");
});

test("PORT and METRICS_PORT listen on IPv4 and IPv6", async () => {
  for (const url of [service.url, service.nodeUrl])
    for (const host of ["127.0.0.1", "[::1]"]) {
      const path = `http://${host}:${new URL(url).port}/health/live`;
      expect([path, (await fetch(path)).status]).toEqual([path, 200]);
    }
});

describe("METRICS_PORT", () => {
  test.each(["/health/live", "/health/ready", "/metrics"])("HEAD %s has the headers of GET", async (path) => {
    const { status, headers, bytes } = await request(service.nodeUrl, { method: "HEAD", path });
    expect([status, bytes.length]).toEqual([200, 0]);
    expect(Number(headers["content-length"])).toBeGreaterThan(0);
  });

  test("an unknown path is 404 and another method 405, in the format of contract 3", async () => {
    for (const path of ["/METRICS", "/Health/live", "/metrics/", "//metrics", "/", "/toString"])
      expect((await request(service.nodeUrl, { path })).body).toEqual(
        errorBody(404, "Route not found", path),
      );
    const { body, headers } = await request(service.nodeUrl, { method: "POST", path: "/metrics" });
    expect([body, headers.allow]).toEqual([errorBody(405, "Method not allowed", "/metrics"), "GET, HEAD"]);
  });
});

describe("unusual paths are answered in the format of contract 3:", () => {
  test.each([
    ["/METRICS", 404],
    ["/HEALTH", 404],
    ["/Docs", 404],
    ["/OPENAPI.JSON", 404],
    ["//api/v1/users", 404],
    ["/api//v1/users", 404],
    ["/api/v1/users/../users", 404],
    ["/api/v1/users/%2e%2e/users", 404],
    ["/api/v1/users/%00", 400],
    ["/api/v1/users/a%2Fb", 400],
    ["/api/v1/users/%", 400],
    ["/api/v1/users/%ff", 400],
    ["/api/v1/users/;id=1", 400],
    ["*", 404],
  ])("%s", async (path, status) => {
    const { body } = await send(`GET ${path} HTTP/1.1\r\n${LAST}\r\n`);
    expect(JSON.parse(body)).toEqual(
      errorBody(
        status,
        expect.any(String),
        path,
        status === 400 && !/%$|%ff/.test(path) ? ["id"] : undefined,
      ),
    );
  });

  test("OPTIONS *", async () => {
    const { body } = await send(`OPTIONS * HTTP/1.1\r\n${LAST}\r\n`);
    expect(JSON.parse(body)).toEqual(errorBody(404, "Route not found", "*"));
  });
});

test("If-None-Match of an avatar may be empty, long or malformed", async () => {
  await request(service.url, {
    ...uploadOf(person.id, await png()),
    headers: { ...uploadOf(person.id, await png()).headers, ...person.headers },
  });
  const path = own("/avatar");
  const { headers } = await request(service.url, { path });
  const matching = async (value: string) =>
    (await send(`GET ${path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${value}\r\nConnection: close\r\n\r\n`))
      .status;
  for (const value of ["", "   ", "nonsense", '"x", '.repeat(5_000), '"'.repeat(20_000)])
    expect([value.slice(0, 20), await matching(value)]).toEqual([value.slice(0, 20), 200]);
  for (const value of ["*", `${headers.etag}`, `"x", ${headers.etag}${', "y"'.repeat(5_000)}`])
    expect([value.slice(0, 20), await matching(value)]).toEqual([value.slice(0, 20), 304]);
});
