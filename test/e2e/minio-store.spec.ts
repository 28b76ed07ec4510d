import { afterAll, describe, expect, test } from "@jest/globals";
import { Client } from "minio";
import { minioStore } from "../../lib/object-store/minio-store.ts";
import { readConfig } from "../../lib/runtime/config.ts";
import { describeObjectStore } from "../helpers/object-store.suite.ts";

/** A real MinIO (or any S3). */

const bucket = `e2e-${crypto.randomUUID()}`;
const { minio } = readConfig({ ...process.env, MINIO_BUCKET: bucket });
if (!minio)
  throw new Error("MINIO_ENDPOINT is not set: the end-to-end tests need the real stack (README.md)");
const client = new Client(minio);

afterAll(async () => {
  await client.removeObject(bucket, ".user-service");
  await client.removeBucket(bucket);
});

describeObjectStore(() => minioStore(minio));

const address = `http${minio.useSSL ? "s" : ""}://${minio.endPoint}:${minio.port}/${bucket}/a/b`;

test("a bucket that the service created is private", async () => {
  const store = minioStore(minio);
  await store.put("a/b", Buffer.from("x"), "image/png");
  expect((await fetch(address)).status).toBe(403);
  await store.remove(["a/b"]);
});

test("a bucket that exists keeps the policy that an administrator gave it", async () => {
  const store = minioStore(minio);
  await store.put("a/b", Buffer.from("x"), "image/png");
  const open = { Effect: "Allow", Principal: { AWS: ["*"] }, Action: ["s3:GetObject"] };
  const Statement = [{ ...open, Resource: [`arn:aws:s3:::${bucket}/*`] }];
  await client.setBucketPolicy(bucket, JSON.stringify({ Version: "2012-10-17", Statement }));
  await store.prepare();
  expect((await fetch(address)).status).toBe(200);
  await client.setBucketPolicy(bucket, "");
  await store.remove(["a/b"]);
});

describe("is out of reach, and says so within 3 s", () => {
  const verbs = { put: "put", get: "get", check: "check", prepare: "prepare" } as const;
  test.each(Object.keys(verbs))("with a wrong key: %s", async (verb) => {
    const wrong = minioStore({ ...minio, secretKey: "wrong-secret-key" });
    await expectUnavailable(wrong, verb);
  });
  test.each(["put", "get", "check"])("with a bucket that is gone: %s", async (verb) => {
    await expectUnavailable(minioStore({ ...minio, bucket: `${bucket}-gone` }), verb);
  });
  test("where nobody listens", async () => {
    await expectUnavailable(minioStore({ ...minio, port: 1 }), "put");
  });
});

async function expectUnavailable(store: ReturnType<typeof minioStore>, verb: string) {
  const start = performance.now();
  const doIt = {
    put: () => store.put("a/b", Buffer.from("x"), "image/png"),
    get: () => store.get("a/b"),
    check: () => store.check(),
    prepare: () => store.prepare(),
  }[verb];
  await expect(doIt?.()).rejects.toMatchObject({ code: 503, type: "DEPENDENCY_UNAVAILABLE" });
  expect(performance.now() - start).toBeLessThan(3_000);
}
