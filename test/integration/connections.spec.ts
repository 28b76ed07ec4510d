import net from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, type Person } from "../helpers/people.ts";
import { postUser } from "../helpers/process.ts";
import { callsRunning, connect, headOf } from "../helpers/raw-client.ts";
import { sendRaw } from "../helpers/raw-http.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Clients that disconnect, or that do not speak HTTP. */
let service: TestService;
let person: Person;
let image: Buffer;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
  image = await jpeg({ width: 900, height: 700 });
});
afterAll(() => service.stop());

const JSON_TYPE = { "content-type": "application/json" };

describe("a client that disconnects early leaves no call running:", () => {
  const form = () => formOf({ filename: "a.jpg", type: "image/jpeg", content: image });
  test.each<[string, () => [head: string, sent: Buffer | string]]>([
    [
      "of an upload",
      () => [headOf(person, "POST", "/avatar", form().length, FORM), form().subarray(0, -500)],
    ],
    [
      "of an upload, before the file",
      () => [headOf(person, "POST", "/avatar", form().length, FORM), form().subarray(0, 60)],
    ],
    [
      "of an upload, directly after its headers",
      () => [headOf(person, "POST", "/avatar", form().length, FORM), ""],
    ],
    [
      "of an upload, before the last byte",
      () => [headOf(person, "POST", "/avatar", form().length, FORM), form().subarray(0, -1)],
    ],
    ["of a JSON body", () => [headOf(person, "PATCH", "", 100, JSON_TYPE), '{"profile":{"bio":"']],
  ])("%s", async (_, ask) => {
    const before = await allRows(service);
    const [head, sent] = ask();
    const connections = Array.from({ length: 5 }, () => {
      const { socket } = connect(service);
      socket.write(head);
      socket.write(sent);
      return socket;
    });
    await sleep(100);
    for (const [index, socket] of connections.entries())
      index % 2 ? socket.destroy() : socket.resetAndDestroy();
    await waitFor(() => callsRunning(service) === 0);
    await sleep(50);
    expect(callsRunning(service)).toBe(0);
    expect(await allRows(service)).toEqual(before);
  });

  test("and the service still answers", async () => {
    await service.http.get(`/api/v1/users/${person.id}`).set(person.headers).expect(200);
  });
});

test.each<[string, string | Buffer]>([
  ["something else than HTTP", "hello\r\n\r\n"],
  ["TLS", Buffer.from("160301020001", "hex")],
  ["a header without end", `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}`],
  [
    "two lengths",
    "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  ],
  [
    "a length and chunks",
    "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["no host", "GET /health HTTP/1.1\r\n\r\n"],
])("a client that sends %s gets a 4xx, and the service still answers", async (_, bytes) => {
  const connection = connect(service);
  connection.socket.write(bytes);
  await waitFor(() => connection.closedAfter > 0 || connection.answer !== "", 8_000);
  connection.socket.destroy();
  expect(connection.answer).toMatch(/^(HTTP\/1\.1 4\d\d .*)/);
  await service.http.get("/health").expect(200);
});

test("requests on one connection are answered in order, also after an error", async () => {
  const connection = connect(service);
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  connection.socket.write(ask("/nothing") + ask("/api/v1/users/me") + ask("/health/live"));
  await waitFor(() => connection.answer.match(/HTTP\/1\.1 /g)?.length === 3);
  connection.socket.destroy();
  expect(connection.answer.match(/HTTP\/1\.1 \d+/g)).toEqual([
    "HTTP/1.1 404",
    "HTTP/1.1 401",
    "HTTP/1.1 200",
  ]);
});

describe("a body that is refused, or asked for (RFC 9110, 10.1.1 and 15.5.14)", () => {
  const TOKEN = `x-internal-token: ${INTERNAL_TOKEN}\r\n`;
  const JSON_LINE = "Content-Type: application/json\r\n";
  const FORM_LINE = "Content-Type: multipart/form-data; boundary=b\r\n";
  const head = (target: string, ...headers: string[]) =>
    `${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.join("")}`;
  const patch = () => `PATCH /api/v1/users/${person.id}`;
  const post = () => `POST /api/v1/users/${person.id}/avatar`;
  const statuses = async (...parts: (string | Buffer)[]) =>
    (await sendRaw(service.url, ...parts)).map(({ status }) => status);

  const REFUSED: [string, () => string, number][] = [
    ["a JSON body above 1 MB", () => head(patch(), TOKEN, JSON_LINE, "Content-Length: 1048577\r\n"), 413],
    ["a file above 5 MB", () => head(post(), TOKEN, FORM_LINE, "Content-Length: 6000000\r\n"), 413],
    [
      "another type than JSON",
      () => head(patch(), TOKEN, "Content-Type: text/csv\r\nContent-Length: 9\r\n"),
      400,
    ],
    ["a request of another user", () => head(patch(), JSON_LINE, "Content-Length: 9\r\n"), 401],
    ["an unknown route", () => head("PATCH /nothing", TOKEN, "Content-Length: 9\r\n"), 404],
  ];

  test.concurrent.each(REFUSED)("%s is refused before the body is sent", async (_, request, status) => {
    expect(await statuses(`${request()}\r\n`)).toEqual([status]);
  });

  test("a client that sends its whole body before it reads can still read the refusal", async () => {
    const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1").pause();
    socket.write(`${head(post(), TOKEN, FORM_LINE, "Content-Length: 8000000\r\n")}\r\n`);
    await new Promise<void>((resolve, reject) =>
      socket.write(Buffer.alloc(8_000_000), (error) => (error ? reject(error) : resolve())),
    );
    expect(await text(socket)).toMatch(/^HTTP\/1.1 413 /);
  });

  describe("a client that sends Expect: 100-continue", () => {
    const EXPECT = "Expect: 100-continue\r\n";

    test.concurrent.each(REFUSED)("gets no 100 Continue: %s", async (_, request, status) => {
      expect(await statuses(`${request()}${EXPECT}\r\n`)).toEqual([status]);
    });

    test.each([
      ["with a length", "Content-Length: 2\r\n", "{}"],
      ["in chunks", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"],
    ])("gets 100 Continue and its answer: JSON %s", async (_, header, body) => {
      expect(await statuses(`${head(patch(), TOKEN, JSON_LINE, header, EXPECT)}\r\n`, body)).toEqual([
        100, 200,
      ]);
    });

    test("gets 100 Continue and its answer: an avatar", async () => {
      const part = 'Content-Disposition: form-data; name="file"; filename="a.jpg"';
      const form = Buffer.concat([
        Buffer.from(`--b\r\n${part}\r\n\r\n`),
        await jpeg(),
        Buffer.from("\r\n--b--\r\n"),
      ]);
      const length = `Content-Length: ${form.length}\r\n`;
      expect(await statuses(`${head(post(), TOKEN, FORM_LINE, length, EXPECT)}\r\n`, form)).toEqual([
        100, 200,
      ]);
    });

    test("gets no 100 Continue in HTTP/1.0, which does not have it", async () => {
      const request = head(patch(), TOKEN, JSON_LINE, "Content-Length: 2\r\n", EXPECT).replace(
        "HTTP/1.1",
        "HTTP/1.0",
      );
      expect(await statuses(`${request}\r\n{}`)).toEqual([200]);
    });
  });
});

test.each([
  ["a column gets another type", "ALTER TABLE users ALTER COLUMN full_name TYPE text"],
  ["a column is added", "ALTER TABLE users ADD COLUMN more int"],
  ["a column is dropped", "ALTER TABLE users DROP COLUMN more"],
])("while a rolling update migrates the tables, no request fails: %s", async (_, migration) => {
  const createMany = () => Promise.all(Array.from({ length: 30 }, () => postUser(service.url)));
  expect((await createMany()).map(({ status }) => status)).toEqual(Array(30).fill(201));
  await service.database.sql(migration);
  expect((await createMany()).map(({ status }) => status)).toEqual(Array(30).fill(201));
});

test("no transaction fails if a column is widened while a node runs", async () => {
  const people = await Promise.all(Array.from({ length: 10 }, () => createUser(service)));
  const post = (path: string) => service.http.post(path).set(service.internal);
  const all = () =>
    Promise.all(
      people.flatMap(({ id }) => {
        const path = `/api/v1/users/${id}`;
        return [
          service.http.patch(`${path}/quotas`).set(service.internal).send({ maxInterviews: 1_000 }),
          post(`${path}/stats/increment-interviews`).set("idempotency-key", crypto.randomUUID()),
          post(`${path}/quota/reservations`).send({ resource: "interviews", amount: 1 }),
        ];
      }),
    );
  const statuses = async () => new Set((await all()).map(({ status }) => status));
  expect(await statuses()).toEqual(new Set([200, 201]));
  for (const column of ["interviews_created", "max_interviews"]) {
    await service.database.sql(`ALTER TABLE users ALTER COLUMN ${column} TYPE BIGINT`);
    expect(await statuses()).toEqual(new Set([200, 201]));
  }
});
