import type { RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { createServer, type HttpServer } from "../../lib/http/server.ts";
import { sendRaw } from "../helpers/raw-http.ts";
import { waitFor } from "../helpers/wait-for.ts";

let server: HttpServer;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function listen(listener: RequestListener): Promise<number> {
  const logger = { info() {} } as unknown as Parameters<typeof createServer>[0]["logger"];
  server = createServer({ variable: "PORT", port: 0, logger }, listener);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return (server.address() as AddressInfo).port;
}
const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

test("100 pipelined requests of one connection are handled one at a time, and all are answered", async () => {
  let running = 0;
  let most = 0;
  const port = await listen(async (_req, res) => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    res.end();
  });
  const last = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  const answers = await sendRaw(`http://127.0.0.1:${port}`, GET.repeat(99) + last);
  expect([answers.length, most]).toEqual([100, 1]);
});

test("the waiting pipelined requests of a client that disconnected are not handled", async () => {
  let handled = 0;
  let closed = 0;
  const port = await listen((_req, res) => {
    handled++;
    res.once("close", () => closed++);
  });
  const socket = connect(port, "127.0.0.1");
  socket.write(GET.repeat(100));
  await waitFor(() => handled === 1);
  socket.destroy();
  await waitFor(() => closed === 1);
  expect(handled).toBe(1);
});

test("a connection is closed if more than 100 requests wait on it, but not for its total number of requests", async () => {
  const held = Promise.withResolvers<void>();
  const port = await listen(async (_req, res) => {
    await held.promise;
    res.end();
  });
  expect(await sendRaw(`http://127.0.0.1:${port}`, GET.repeat(102))).toEqual([]);
  held.resolve();
  const socket = connect(port, "127.0.0.1");
  let answers = 0;
  socket.on("data", (bytes) => {
    answers += bytes.toString().split("HTTP/1.1 200").length - 1;
    if (answers % 50 === 0 && answers < 500) socket.write(GET.repeat(50));
  });
  socket.write(GET.repeat(50));
  await waitFor(() => answers === 500);
  socket.destroy();
});

test("a connection is closed if its client does not read the answer", async () => {
  let isClosed = false;
  const port = await listen((_req, res) => {
    res.once("close", () => {
      isClosed = true;
    });
    res.end(Buffer.alloc(64 * 1024 * 1024));
  });
  expect(server.timeout).toBe(120_000);
  server.timeout = 100;
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.pause().write(GET);
  await waitFor(() => isClosed);
  socket.destroy();
});

const ASKS_TO_CLOSE = /^connection: close/im;

test("on a stop, all pipelined requests are answered, also those that arrive later, and only the last asks to close", async () => {
  const held = Promise.withResolvers<void>();
  const port = await listen(async (_req, res) => {
    await held.promise;
    res.end();
  });
  const socket = connect(port, "127.0.0.1");
  let answers = "";
  socket.on("data", (bytes) => {
    answers += bytes;
  });
  let requests = 0;
  server.on("request", () => requests++);
  socket.write(GET.repeat(2));
  await waitFor(() => requests === 2);
  server.sayGoodbye();
  socket.write(GET.repeat(2));
  await waitFor(() => requests === 4);
  held.resolve();
  await waitFor(() => socket.closed);
  const [, ...heads] = answers.split("HTTP/1.1 200");
  expect(heads.map((head) => ASKS_TO_CLOSE.test(head))).toEqual([false, false, false, true]);
});

test("on a stop, an answer that has begun is finished, and the next request of its connection is asked to close", async () => {
  const held = Promise.withResolvers<void>();
  const port = await listen(async (_req, res) => {
    res.write("begun");
    await held.promise;
    res.end("finished");
  });
  const socket = connect(port, "127.0.0.1");
  const silent = connect(port, "127.0.0.1");
  let answers = "";
  socket.on("data", (bytes) => {
    answers += bytes;
  });
  silent.on("data", () => {});
  socket.write(GET);
  await waitFor(() => answers.includes("begun"));
  server.sayGoodbye();
  held.resolve();
  await waitFor(() => answers.includes("finished"));
  expect(answers).not.toMatch(ASKS_TO_CLOSE);
  for (const client of [socket, silent]) client.write(GET);
  await waitFor(() => socket.closed && silent.closed);
  expect(answers.match(/finished/g)).toHaveLength(2);
  expect(answers).toMatch(ASKS_TO_CLOSE);
});
