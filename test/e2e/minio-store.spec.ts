import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Client } from "minio";
import { readConfig } from "../../lib/config/config.ts";
import { minioStore } from "../../lib/object-store/minio-store.ts";
import { describeObjectStore } from "../helpers/object-store.suite.ts";
import { restricted } from "../helpers/sts.ts";

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

test("an existing bucket keeps the policy that an administrator set", async () => {
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

const OBJECTS = `arn:aws:s3:::${bucket}/*`;
/** A store whose credentials have only these rights. */
const storeWith = async (Action: string[], Resource = OBJECTS) =>
  minioStore(await restricted(minio, [{ Effect: "Allow", Action, Resource: [Resource] }]));
const because = (reason: string) => ({
  type: "DEPENDENCY_UNAVAILABLE",
  cause: { message: expect.stringContaining(reason) },
});

describe("with credentials that can only", () => {
  test("put, get and delete objects, everything except listing works", async () => {
    const store = await storeWith(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]);
    expect(await store.prepare()).toBeUndefined();
    await store.check();
    await store.put("a/b", Buffer.from("x"), "image/png");
    expect((await store.get("a/b"))?.length).toBe(1);
    await store.remove(["a/b"]);
    expect(await store.get("a/b")).toBeUndefined();
    await expect(Array.fromAsync(store.list())).rejects.toMatchObject(because("s3:ListBucket"));
  });

  test("put and get objects, prepare() returns a warning that names s3:DeleteObject", async () => {
    const store = await storeWith(["s3:PutObject", "s3:GetObject"]);
    expect(await store.prepare()).toMatch(/s3:DeleteObject: replaced and deleted avatars stay/);
    await store.check();
  });

  test("list the bucket, prepare() fails because no avatar can be uploaded", async () => {
    const store = await storeWith(["s3:ListBucket"], `arn:aws:s3:::${bucket}`);
    await expect(store.prepare()).rejects.toMatchObject(because("s3:PutObject: no avatar can be uploaded"));
  });

  test("put and get objects of a missing bucket, prepare() fails because the bucket is missing", async () => {
    const missing = { ...minio, bucket: `${bucket}-missing` };
    const Resource = [`arn:aws:s3:::${missing.bucket}/*`];
    const rights = { Effect: "Allow", Action: ["s3:PutObject", "s3:GetObject"], Resource } as const;
    const store = minioStore(await restricted(missing, [{ ...rights, Action: [...rights.Action] }]));
    await expect(store.prepare()).rejects.toMatchObject(because("s3:CreateBucket: the bucket is missing"));
  });
});

describe("with credentials for a prefix of the bucket", () => {
  const prefix = "team/users/";
  const objects = { Action: ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"] };
  const listing = { Action: ["s3:ListBucket"], Condition: { StringLike: { "s3:prefix": `${prefix}*` } } };
  let config: typeof minio;
  beforeAll(async () => {
    config = await restricted(minio, [
      { Effect: "Allow", ...objects, Resource: [`arn:aws:s3:::${bucket}/${prefix}*`] },
      { Effect: "Allow", ...listing, Resource: [`arn:aws:s3:::${bucket}`] },
    ]);
  });
  afterAll(() => client.removeObject(bucket, `${prefix}.user-service`));

  describeObjectStore(() => minioStore({ ...config, prefix }));

  test("objects outside the prefix are not accessible", async () => {
    await expect(minioStore({ ...config, prefix: "" }).prepare()).rejects.toMatchObject(
      because("s3:PutObject"),
    );
  });
});

describe("is unavailable within 3 s", () => {
  const verbs = { put: "put", get: "get", check: "check", prepare: "prepare" } as const;
  test.each(Object.keys(verbs))("with a wrong key: %s", async (verb) => {
    const wrong = minioStore({ ...minio, secretKey: "wrong-secret-key" });
    await expectUnavailable(wrong, verb);
  });
  test.each(["put", "get", "check"])("with a missing bucket: %s", async (verb) => {
    await expectUnavailable(minioStore({ ...minio, bucket: `${bucket}-gone` }), verb);
  });
  test("if nothing listens on the port", async () => {
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
