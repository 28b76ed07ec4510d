import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { ARRIVE_WITHIN, arriveWithin, CLIENT_LEFT } from "../../lib/http/arrival.ts";
import { receiveFile } from "../../services/api/upload.ts";

const HEAD =
  '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n';
const END = "\r\n--b--\r\n";
const headers = { "content-type": "multipart/form-data; boundary=b" };
const tooSlow = { code: 408, message: "The request did not arrive in time" };

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "Date"] });
});
afterEach(() => {
  jest.useRealTimers();
});

const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
};

/** A request whose body a test sends piece by piece. */
function exchange() {
  const body = new PassThrough();
  const req = Object.assign(body, { headers, complete: false });
  const res = Object.assign(new EventEmitter(), { writableEnded: false });
  const receive = <Result>(take: (file: Readable) => Promise<Result>) =>
    receiveFile(req as unknown as IncomingMessage, res as unknown as ServerResponse, take);
  const send = async (bytes: Buffer | string, afterMs = 0) => {
    jest.advanceTimersByTime(afterMs);
    body.write(bytes);
    await settle();
  };
  const end = async () => {
    await send(END);
    req.complete = true;
    body.end();
    await settle();
  };
  return { receive, send, end, res };
}

const lengthOf = async (file: Readable) => Buffer.concat(await Array.fromAsync(file)).length;

test("an upload that is not processed within 9 s of its arrival is answered with 503", async () => {
  const { receive, send, end } = exchange();
  const refused = expect(receive(() => new Promise(() => {}))).rejects.toMatchObject({
    code: 503,
    type: "DEPENDENCY_UNAVAILABLE",
  });
  await send(`${HEAD}bytes`);
  await end();
  jest.advanceTimersByTime(9_000);
  await refused;
});

test("an upload of 5 MB at 64 KiB/s, which takes 80 s, is accepted", async () => {
  const { receive, send, end } = exchange();
  const received = receive(lengthOf);
  await send(HEAD);
  for (let second = 0; second < 80; second++) await send(Buffer.alloc(65_536), 1_000);
  await end();
  expect(await received).toBe(5 * 2 ** 20);
});

test("an upload that pauses for 10 s is answered with 408, and its incomplete file is not processed", async () => {
  const { receive, send } = exchange();
  const read = Promise.withResolvers<unknown>();
  const refused = expect(
    receive((file) => lengthOf(file).catch((error) => read.resolve(error))),
  ).rejects.toMatchObject(tooSlow);
  await send(`${HEAD}bytes`);
  await send("more", 9_999);
  jest.advanceTimersByTime(10_000);
  await refused;
  expect(await read.promise).toMatchObject(tooSlow);
});

test("an upload that never pauses but takes longer than 110 s is answered with 408", async () => {
  const { receive, send } = exchange();
  const refused = expect(receive(lengthOf)).rejects.toMatchObject(tooSlow);
  await send(HEAD);
  for (let at = 0; at < ARRIVE_WITHIN.upload.whole; at += 5_000) await send("x", 5_000);
  await refused;
  expect(ARRIVE_WITHIN.upload.whole).toBe(110_000);
});

test("if the client disconnects while its file is processed, the processing is notified", async () => {
  const { receive, send, end, res } = exchange();
  const left = jest.fn();
  const refused = expect(
    receive(async (file) => {
      file.once(CLIENT_LEFT, left);
      await lengthOf(file);
      return new Promise(() => {});
    }),
  ).rejects.toMatchObject({ code: 400 });
  await send(`${HEAD}bytes`);
  await end();
  expect(left).not.toHaveBeenCalled();
  res.emit("close");
  await refused;
  expect(left).toHaveBeenCalledTimes(1);
});

test("a body that does not arrive within its time limit is answered with 408", async () => {
  const refused = expect(arriveWithin(20_000, new Promise(() => {}))).rejects.toMatchObject(tooSlow);
  jest.advanceTimersByTime(20_000);
  await refused;
  expect(await arriveWithin(20_000, Promise.resolve("read"))).toBe("read");
  expect(jest.getTimerCount()).toBe(0);
});
