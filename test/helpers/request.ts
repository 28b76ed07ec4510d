import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";

export type Asked = {
  method?: string;
  /** Sent as it stands: no client mends it. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** Sent as it stands; an object as JSON. */
  body?: string | Buffer | object;
};

/** `body` is the JSON where it is such, else the text; `bytes` is what came. */
export type Answered = { status: number; headers: IncomingHttpHeaders; body: AnswerBody; bytes: Buffer };

/** What the tests look into by name; the rest they compare as a whole. */
export type AnswerBody = {
  id: string;
  message: string;
  traceId: string;
  avatarUrl: string;
  details?: { field: string; message: string }[];
  [field: string]: unknown;
};

/** One request on a connection of its own, without the help of a client library. */
export function request(url: string, { method = "GET", path, headers = {}, body }: Asked): Promise<Answered> {
  const isJson = body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body);
  const payload = isJson ? JSON.stringify(body) : body;
  const type = payload === undefined ? {} : { "content-type": "application/json" };
  const length = payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) };
  return new Promise((resolve, reject) => {
    let answered = false;
    const asking = http.request(url, {
      method,
      path,
      headers: { ...type, ...length, ...headers },
      agent: false,
    });
    asking.on("response", (res) => {
      answered = true;
      const isJsonAnswer = /json/.test(res.headers["content-type"] ?? "") && method !== "HEAD";
      buffer(res)
        .then((bytes) => {
          const text = bytes.toString();
          const content = isJsonAnswer ? JSON.parse(text) : text;
          resolve({ status: res.statusCode ?? 0, headers: res.headers, body: content, bytes });
        })
        .catch(reject);
    });
    // who answers before it read everything may close while we still write
    asking.on("error", (error) => answered || reject(error));
    asking.end(payload);
  });
}
