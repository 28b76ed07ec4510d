import http, { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";

export type Asked = {
  method?: string;
  /** Sent without any normalization. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** Sent unchanged; an object is sent as JSON. */
  body?: string | Buffer | object;
};

/** `body` is the parsed JSON, or the text if the response is not JSON; `bytes` is the raw body. */
export type Answered = { status: number; headers: IncomingHttpHeaders; body: AnswerBody; bytes: Buffer };

/** The fields that tests read by name. */
export type AnswerBody = {
  id: string;
  message: string;
  traceId: string;
  avatarUrl: string;
  details?: { field: string; message: string }[];
  [field: string]: unknown;
};

/** The headers that name a caller. */
export type Headers = Record<string, string>;

/** Sends the same request as this caller. */
export const requestAs = (url: string, headers: object, asked: Asked): Promise<Answered> =>
  request(url, { ...asked, headers: { ...asked.headers, ...headers } });

/** Reuses connections, because a new one for each request takes three times the CPU time. */
export const connections = new Agent({ keepAlive: true });

/** One request, without a client library. Without an agent it uses a new connection. */
export function request(
  url: string,
  { method = "GET", path, headers = {}, body }: Asked,
  agent: Agent | false = connections,
): Promise<Answered> {
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
      agent,
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
    // a server that responds early may close the connection while we still write
    asking.on("error", (error) => answered || reject(error));
    asking.end(payload);
  });
}
