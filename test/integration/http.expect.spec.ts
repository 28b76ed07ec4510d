import net from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { jpeg } from "../helpers/images.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { sendRaw } from "../helpers/raw-http.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";

/** When a body is asked for, and when it is refused before it is sent (RFC 9110, 10.1.1 and 15.5.14). */
let service: TestService;
let person: Person;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
});
afterAll(() => service.stop());

const TOKEN = `x-internal-token: ${INTERNAL_TOKEN}\r\n`;
const JSON_TYPE = "Content-Type: application/json\r\n";
const FORM = "Content-Type: multipart/form-data; boundary=b\r\n";
const head = (target: string, ...headers: string[]) =>
  `${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.join("")}`;
const patch = () => `PATCH /api/v1/users/${person.id}`;
const post = () => `POST /api/v1/users/${person.id}/avatar`;
const statuses = async (...parts: (string | Buffer)[]) =>
  (await sendRaw(service.url, ...parts)).map(({ status }) => status);

const REFUSED: [string, () => string, number][] = [
  ["a JSON body above 1 MB", () => head(patch(), TOKEN, JSON_TYPE, "Content-Length: 1048577\r\n"), 413],
  ["a file above 5 MB", () => head(post(), TOKEN, FORM, "Content-Length: 6000000\r\n"), 413],
  [
    "another type than JSON",
    () => head(patch(), TOKEN, "Content-Type: text/csv\r\nContent-Length: 9\r\n"),
    400,
  ],
  ["a request of a stranger", () => head(patch(), JSON_TYPE, "Content-Length: 9\r\n"), 401],
  ["an unknown route", () => head("PATCH /nothing", TOKEN, "Content-Length: 9\r\n"), 404],
];

test.concurrent.each(REFUSED)("%s is refused before the body is sent", async (_, request, status) => {
  expect(await statuses(`${request()}\r\n`)).toEqual([status]);
});

test("a client that sends its whole body before it reads can still read why the body was refused", async () => {
  const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1").pause();
  socket.write(`${head(post(), TOKEN, FORM, "Content-Length: 8000000\r\n")}\r\n`);
  await new Promise<void>((resolve, reject) =>
    socket.write(Buffer.alloc(8_000_000), (error) => (error ? reject(error) : resolve())),
  );
  expect(await text(socket)).toMatch(/^HTTP\/1.1 413 /);
});

describe("a client that waits to be asked for the body", () => {
  const EXPECT = "Expect: 100-continue\r\n";

  test.concurrent.each(REFUSED)("is not asked: %s", async (_, request, status) => {
    expect(await statuses(`${request()}${EXPECT}\r\n`)).toEqual([status]);
  });

  test.each([
    ["with a length", "Content-Length: 2\r\n", "{}"],
    ["in chunks", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"],
  ])("is asked, and answered: JSON %s", async (_, header, body) => {
    expect(await statuses(`${head(patch(), TOKEN, JSON_TYPE, header, EXPECT)}\r\n`, body)).toEqual([
      100, 200,
    ]);
  });

  test("is asked, and answered: an avatar", async () => {
    const part = 'Content-Disposition: form-data; name="file"; filename="a.jpg"';
    const form = Buffer.concat([
      Buffer.from(`--b\r\n${part}\r\n\r\n`),
      await jpeg(),
      Buffer.from("\r\n--b--\r\n"),
    ]);
    const length = `Content-Length: ${form.length}\r\n`;
    expect(await statuses(`${head(post(), TOKEN, FORM, length, EXPECT)}\r\n`, form)).toEqual([100, 200]);
  });

  test("is not asked in HTTP/1.0, which has no such answer", async () => {
    const request = head(patch(), TOKEN, JSON_TYPE, "Content-Length: 2\r\n", EXPECT).replace(
      "HTTP/1.1",
      "HTTP/1.0",
    );
    expect(await statuses(`${request}\r\n{}`)).toEqual([200]);
  });
});
