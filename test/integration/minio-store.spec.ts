import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { minioStore } from "../../lib/object-store/minio-store.ts";

/** An S3 server that has no bucket yet and answers requests for the bucket's policy with an error code. */
const ANSWERS = { allowed: 204, AccessDenied: 403, InternalError: 500 };
let server: http.Server;
const requests: string[] = [];

async function startS3(policy: keyof typeof ANSWERS): Promise<number> {
  requests.length = 0;
  server = http.createServer((req, res) => {
    requests.push(`${req.method} ${req.url} ${req.headers.authorization}`);
    if (req.method === "HEAD") return void res.writeHead(404).end();
    if (!req.url?.includes("policy")) return void res.end();
    res.writeHead(ANSWERS[policy], { "Content-Type": "application/xml" });
    res.end(policy === "allowed" ? "" : `<Error><Code>${policy}</Code><Message>x</Message></Error>`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** An S3 server of another region: it refuses what is signed for a wrong one, and has the bucket once it was created. */
async function startS3In(region: string): Promise<number> {
  requests.length = 0;
  let hasBucket = false;
  const refuse = (code: string) =>
    `<Error><Code>${code}</Code><Message>x</Message><Region>${region}</Region></Error>`;
  server = http.createServer((req, res) => {
    requests.push(`${req.method} ${req.url} ${req.headers.authorization}`);
    const answer = (status: number, body = "") =>
      res.writeHead(status, { "Content-Type": "application/xml" }).end(req.method === "HEAD" ? "" : body);
    if (!req.headers.authorization?.includes(`/${region}/s3/`))
      return answer(400, refuse("AuthorizationHeaderMalformed"));
    if (req.method === "PUT") hasBucket = true;
    else if (!hasBucket) return answer(404, refuse("NoSuchBucket"));
    if (req.url?.includes("location"))
      return answer(200, `<LocationConstraint>${region}</LocationConstraint>`);
    return answer(req.method === "DELETE" ? 204 : 200);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const storeAt = (port: number, region?: string) =>
  minioStore({
    endPoint: "127.0.0.1",
    port,
    useSSL: false,
    accessKey: "key",
    secretKey: "secret",
    bucket: "avatars",
    region,
  });

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test("every request to S3 is signed for the configured region", async () => {
  await storeAt(await startS3("allowed"), "eu-central-1").prepare();
  expect(requests.length).toBeGreaterThanOrEqual(3);
  for (const request of requests) expect(request).toContain("/eu-central-1/s3/aws4_request");
});

test("without a configured region, the bucket is created in the region of the server, and found there later", async () => {
  const port = await startS3In("eu-central-1");
  const store = storeAt(port);
  expect(await store.prepare()).toBeUndefined();
  expect(requests.filter((request) => request.startsWith("PUT")).at(-1)).toContain("/eu-central-1/s3/");
  await store.check();
  await storeAt(port).check();
});

test("with the configured region of another server, the object store is unavailable", async () => {
  const store = storeAt(await startS3In("eu-central-1"), "us-west-2");
  await expect(store.prepare()).rejects.toMatchObject({ type: "DEPENDENCY_UNAVAILABLE" });
});

test("an S3 key that may not set the bucket policy works, and the store returns a warning", async () => {
  const store = storeAt(await startS3("AccessDenied"), "us-east-1");
  expect(await store.prepare()).toContain("may not set the bucket policy");
});

test("an S3 key that may set the bucket policy gives no warning", async () => {
  expect(await storeAt(await startS3("allowed"), "us-east-1").prepare()).toBeUndefined();
});

test("any other failure to set the bucket policy is an unavailable object store", async () => {
  const store = storeAt(await startS3("InternalError"), "us-east-1");
  await expect(store.prepare()).rejects.toMatchObject({ type: "DEPENDENCY_UNAVAILABLE" });
});
