import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { afterEach, expect, jest, test } from "@jest/globals";
import { receiveFile } from "../../services/api/upload.ts";

afterEach(() => {
  jest.useRealTimers();
});

test("an upload that is not answered within 9 s of its arrival is 503, as whoever took it may be gone", async () => {
  const part = 'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg';
  const stream = Readable.from([Buffer.from(`--b\r\n${part}\r\n\r\nbytes\r\n--b--\r\n`)]);
  const headers = { "content-type": "multipart/form-data; boundary=b" };
  const request = Object.assign(stream, { headers, complete: true }) as unknown as IncomingMessage;

  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "Date"] });
  const answer = receiveFile(request, () => new Promise(() => {}));
  const refused = expect(answer).rejects.toMatchObject({ code: 503, type: "DEPENDENCY_UNAVAILABLE" });
  while (jest.getTimerCount() === 0) await new Promise(setImmediate);
  jest.advanceTimersByTime(9_000);
  await refused;
});
