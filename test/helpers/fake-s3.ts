import http from "node:http";
import type { AddressInfo } from "node:net";

/** An S3 server with one bucket, `avatars`, which does not list objects. */
export type FakeS3 = {
  port: number;
  /** Method, path and authorization of each request. */
  requests: string[];
  /** The rights that the credentials lack. */
  denied: Set<string>;
  close(): void;
};

/** Starts an S3 server that refuses requests that are signed for another region than its own. */
export async function startFakeS3({ region = "us-east-1", hasBucket = false } = {}): Promise<FakeS3> {
  const [requests, denied, objects]: [string[], Set<string>, Map<string, Buffer>] = [
    [],
    new Set(),
    new Map(),
  ];

  const server = http.createServer(async (req, res) => {
    const { method = "", url = "" } = req;
    const { authorization = "" } = req.headers;
    requests.push(`${method} ${url} ${authorization}`);
    const body = Buffer.concat(await Array.fromAsync(req as AsyncIterable<Buffer>));
    const answer = (status: number, text: string | Buffer = "") =>
      res.writeHead(status, { "Content-Length": Buffer.byteLength(text) }).end(text);
    const refuse = (status: number, code: string) =>
      answer(status, `<Error><Code>${code}</Code><Message>x</Message><Region>${region}</Region></Error>`);

    if (!authorization.includes(`/${region}/s3/`)) return refuse(400, "AuthorizationHeaderMalformed");
    const right = rightOf(method, url);
    if (denied.has(right)) return refuse(403, "AccessDenied");
    if (right === "s3:CreateBucket") hasBucket = true;
    else if (!hasBucket) return refuse(404, "NoSuchBucket");
    if (right === "s3:PutObject") objects.set(url, body);
    if (right === "s3:GetBucketLocation")
      return answer(200, `<LocationConstraint>${region}</LocationConstraint>`);
    if (right === "s3:DeleteObject") return answer(200, "<DeleteResult/>");
    if (right !== "s3:GetObject") return answer(200);
    const object = objects.get(url);
    if (object) return answer(200, object);
    return denied.has("s3:ListBucket") ? refuse(403, "AccessDenied") : refuse(404, "NoSuchKey");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, requests, denied, close };
}

function rightOf(method: string, url: string): string {
  if (url.includes("?location")) return "s3:GetBucketLocation";
  if (url.includes("?delete")) return "s3:DeleteObject";
  if (url.includes("list-type")) return "s3:ListBucket";
  if (method === "PUT") return /^\/avatars\/?$/.test(url) ? "s3:CreateBucket" : "s3:PutObject";
  return method === "GET" ? "s3:GetObject" : `${method} ${url}`;
}
