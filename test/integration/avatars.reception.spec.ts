import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { FORM, formOf, type Part } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { leftBehind, NOTHING } from "../helpers/left-behind.ts";
import { allRows, createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Uploads at the level of the socket: errors are reported at once, and no resources leak. */
let service: TestService;
let person: Person;
let file: Part;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
  file = { filename: "me.jpg", type: "image/jpeg", content: await jpeg() };
});
afterAll(() => service.stop());

const MB = 2 ** 20;

type Sent = { headers?: Record<string, string | number>; body: Buffer | string; thenEnd?: boolean };
type Came = { status: number; body: unknown; text: string; closed: boolean };

/** Sends exactly these bytes, and waits for the answer. `headers` may contradict the bytes. */
async function send({ headers = {}, body, thenEnd = false }: Sent): Promise<Came> {
  const bytes = Buffer.from(body as string, "latin1");
  const length = "Transfer-Encoding" in headers ? {} : { "Content-Length": bytes.length };
  const head = { Host: "localhost", ...length, ...FORM, ...person.headers, ...headers };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1");
  const state = { text: "", closed: false };
  socket.on("data", (data) => {
    state.text += data;
  });
  socket
    .on("error", () => {})
    .on("close", () => {
      state.closed = true;
    });
  socket.write(`POST /api/v1/users/${person.id}/avatar HTTP/1.1\r\n${lines.join("")}\r\n`);
  socket[thenEnd ? "end" : "write"](bytes);
  const answer = /HTTP\/1\.1 ([2-5]\d\d) (?:.*\r\n)+\r\n(.*)/;
  const [, status, json = "0"] =
    (await waitFor((): string[] | false => answer.exec(state.text) ?? (state.closed && ["", "0"]))) || [];
  socket.destroy();
  return { ...state, status: Number(status), body: JSON.parse(json || "0") };
}

const nameless = (content = "x") => `--a-boundary\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`;
const form = (...parts: Part[]) => formOf(...parts).toString("latin1");
const many = (part: string) => `${part.repeat(10_000)}${form(file)}`;
const inChunks = (text: string, size: number) =>
  `${(text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")}0\r\n\r\n`;
const before = (text: string) => text.slice(0, -"--a-boundary--\r\n".length);

/** Each is refused with an error of contract 3 and changes nothing. */
test.each<[string, number, () => Sent]>([
  [
    "a field `id` of another before the file",
    400,
    () => ({ body: form({ field: "id", content: "x" }, file) }),
  ],
  [
    "a field of 3 MB before the file",
    400,
    () => ({ body: form({ field: "x", content: "x".repeat(3 * MB) }, file) }),
  ],
  ["a part without a name before the file", 400, () => ({ body: nameless() + form(file) })],
  [
    "a part without a name after the file",
    400,
    () => ({ body: `${before(form(file)) + nameless()}--a-boundary--\r\n` }),
  ],
  ["a part without a name alone", 400, () => ({ body: `${nameless()}--a-boundary--\r\n` })],
  ["10,000 parts without a name", 400, () => ({ body: many(nameless()) })],
  ["10,000 fields", 400, () => ({ body: many(before(form({ field: "x", content: "x" }))) })],
  ["10,000 files", 400, () => ({ body: many(before(form({ filename: "a", content: "x" }))) })],
  ["10,000 boundaries", 400, () => ({ body: many("--a-boundary\r\n") })],
  ["a part that is an attachment", 400, () => ({ body: form(file).replace("form-data", "attachment") })],
  ["a name that ends in NUL", 400, () => ({ body: form({ ...file, field: "file\0" }) })],
  ["lines that end in LF only", 400, () => ({ body: form(file).replaceAll("\r\n", "\n") })],
  ["a boundary that never ends", 400, () => ({ body: `--a-boundary${"x".repeat(100_000)}` })],
  ["a compressed form", 400, () => ({ body: gzipSync(form(file)), headers: { "Content-Encoding": "gzip" } })],
  ["a length that is too short", 400, () => ({ body: form(file), headers: { "Content-Length": 300 } })],
  [
    "a length that is too long, and the end",
    400,
    () => ({ body: form(file).slice(0, 300), headers: { "Content-Length": 900 }, thenEnd: true }),
  ],
  [
    "chunks that end within the file",
    400,
    () => ({ body: inChunks(form(file).slice(0, 400), 99), headers: { "Transfer-Encoding": "chunked" } }),
  ],
  [
    "a form within the form",
    415,
    () => ({
      body: form({ filename: "a", type: "multipart/mixed; boundary=b", content: "--b\r\n\r\nx\r\n--b--" }),
    }),
  ],
  [
    "a file in base64",
    415,
    () => ({ body: form({ ...file, content: Buffer.from(file.content).toString("base64") }) }),
  ],
  ["6 MB before the form", 413, () => ({ body: `${"x".repeat(6 * MB)}\r\n${form(file)}` })],
  ["6 MB after the form", 413, () => ({ body: form(file) + "x".repeat(6 * MB) })],
  [
    "6 MB of headers of a part",
    413,
    () => ({ body: form({ ...file, type: `x\r\nX: ${"x".repeat(6 * MB)}` }) }),
  ],
])("an upload with %s: %d", async (_, status, ask) => {
  const rows = await allRows(service);
  const came = await send(ask());
  const isNodes = came.text.startsWith("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  if (!isNodes) expect(came.body).toEqual(errorBody(status, expect.stringMatching(/./)));
  expect(came.status).toBe(status);
  expect(await allRows(service)).toEqual(rows);
});

test.each<[string, () => Sent]>([
  ["a name that leads elsewhere", () => ({ body: form({ ...file, filename: "../../../x.jpg" }) })],
  ["a name of 10 kB", () => ({ body: form({ ...file, filename: "x".repeat(10_000) }) })],
  ["a name with NUL", () => ({ body: form({ ...file, filename: "a\0.php" }) })],
  ["a name with quotes and markup", () => ({ body: form({ ...file, filename: '\\"><script>' }) })],
  ["a part that claims to be HTML", () => ({ body: form({ ...file, type: "text/html" }) })],
  ["a part with 2,000 headers", () => ({ body: form({ ...file, type: `x${"\r\nX: y".repeat(2_000)}` }) })],
  [
    "a part with a header of 60 kB",
    () => ({ body: form({ ...file, type: `x\r\nX: ${"x".repeat(60_000)}` }) }),
  ],
  ["text before and after the form", () => ({ body: `before\r\n${form(file)}after` })],
  [
    "a boundary in quotes",
    () => ({
      body: form(file),
      headers: { "content-type": 'multipart/form-data; charset=x; boundary="a-boundary"' },
    }),
  ],
  [
    "chunks of one byte",
    () => ({ body: inChunks(form(file), 1), headers: { "Transfer-Encoding": "chunked" } }),
  ],
  ["Expect: 100-continue", () => ({ body: form(file), headers: { Expect: "100-continue" } })],
])("an upload with %s: 200", async (_, ask) => {
  expect((await send(ask())).status).toBe(200);
});

test("an upload gets 413 as soon as the limit is exceeded, and its connection is closed", async () => {
  const start = `${before(form({ ...file, content: "x".repeat(5 * MB + 1) }))}`;
  const began = Date.now();
  const { status, text } = await send({ body: start, headers: { "Content-Length": 1000 * MB } });
  expect([status, Date.now() - began < 5_000, text.includes("Avatar file size exceeds 5MB limit")]).toEqual([
    413,
    true,
    true,
  ]);
  await waitFor(async () => (await leftBehind(service)).connections === 0, 10_000);
});

test("after an invalid form, the connection accepts further requests", async () => {
  const body = form({ field: "x", content: "x" }, file);
  const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1");
  let text = "";
  socket.on("data", (data) => {
    text += data;
  });
  socket.write(
    `POST /api/v1/users/${person.id}/avatar HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM["content-type"]}\r\n`,
  );
  socket.write(`Authorization: ${person.headers.authorization}\r\nContent-Length: ${body.length}\r\n\r\n`);
  socket.write(Buffer.from(body, "latin1"));
  await waitFor(() => text.includes("HTTP/1.1 400"));
  await sleep(1_200);
  socket.write("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
  await waitFor(() => text.includes("HTTP/1.1 200"));
  socket.destroy();
});

describe("a client that disconnects during an upload leaves no resources:", () => {
  test("at any byte of the request", async () => {
    const rows = await allRows(service);
    const whole = formOf(file);
    const head = `POST /api/v1/users/${person.id}/avatar HTTP/1.1\r\nHost: x\r\nContent-Length: ${whole.length}\r\nContent-Type: ${FORM["content-type"]}\r\nAuthorization: ${person.headers.authorization}\r\n\r\n`;
    const all = Buffer.concat([Buffer.from(head), whole]);
    for (let at = 10; at < all.length; at += 40) {
      const socket = net.connect(Number(new URL(service.url).port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(all.subarray(0, at));
      setTimeout(() => (at % 80 ? socket.destroy() : socket.resetAndDestroy()), 60);
    }
    await sleep(200);
    expect(await allRows(service)).toEqual(rows);
  });

  test("no calls, connections or files", async () => {
    await waitFor(async () => (await leftBehind(service)).connections === 0);
    expect(await leftBehind(service)).toEqual(NOTHING);
  });
});
