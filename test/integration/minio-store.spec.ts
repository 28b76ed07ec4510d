import { afterEach, describe, expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { minioStore } from "../../lib/object-store/minio-store.ts";
import type { ObjectStore } from "../../lib/object-store/object-store.types.ts";
import { type FakeS3, startFakeS3 } from "../helpers/fake-s3.ts";

/** The requests of the store to an S3 server, and its handling of the answers. */

let s3: FakeS3;
afterEach(() => s3.close());

function storeOf({ port }: FakeS3, MINIO_REGION = "", more: Record<string, string> = {}): ObjectStore {
  const env = { MINIO_ENDPOINT: "127.0.0.1", MINIO_PORT: String(port), MINIO_REGION, ...more };
  const { minio } = readConfig(env);
  if (!minio) throw new Error("not configured");
  return minioStore(minio);
}
const unavailable = (reason = /./) => ({
  type: "DEPENDENCY_UNAVAILABLE",
  cause: { message: expect.stringMatching(reason) },
});
const created = () => s3.requests.filter((request) => /^PUT .avatars.? /.test(request));

describe("the region of the object store", () => {
  test("is the configured region, for which every request is signed", async () => {
    s3 = await startFakeS3({ region: "eu-central-1" });
    await storeOf(s3, "eu-central-1").prepare();
    expect(s3.requests.length).toBeGreaterThanOrEqual(4);
    for (const request of s3.requests) expect(request).toContain("/eu-central-1/s3/aws4_request");
  });

  test("is the server's region if none is configured: the bucket is created and later found there", async () => {
    s3 = await startFakeS3({ region: "eu-central-1" });
    const store = storeOf(s3);
    expect(await store.prepare()).toBeUndefined();
    expect(created().at(-1)).toContain("/eu-central-1/s3/");
    await store.check();
    await storeOf(s3).prepare();
  });

  test("is found also without the right to request it", async () => {
    s3 = await startFakeS3({ region: "eu-central-1", hasBucket: true });
    s3.denied.add("s3:GetBucketLocation");
    expect(await storeOf(s3).prepare()).toBeUndefined();
  });

  test("is not detected if one is configured: with a wrong region, the store is unavailable", async () => {
    s3 = await startFakeS3({ region: "eu-central-1" });
    await expect(storeOf(s3, "us-west-2").prepare()).rejects.toMatchObject(unavailable());
  });
});

describe("the bucket", () => {
  test("is created if it is missing", async () => {
    s3 = await startFakeS3();
    await storeOf(s3).prepare();
    expect(created()).toHaveLength(1);
  });

  test("is not changed if it exists", async () => {
    s3 = await startFakeS3({ hasBucket: true });
    await storeOf(s3).prepare();
    expect(created()).toEqual([]);
    expect(s3.requests.filter((request) => request.includes("policy"))).toEqual([]);
  });

  test("is the reason of an unavailable store if it is missing and cannot be created", async () => {
    s3 = await startFakeS3();
    s3.denied.add("s3:CreateBucket");
    await expect(storeOf(s3).prepare()).rejects.toMatchObject(
      unavailable(/s3:CreateBucket.*bucket is missing/),
    );
  });
});

describe("credentials for the object store", () => {
  test.each([
    ["s3:PutObject", "no avatar can be uploaded"],
    ["s3:GetObject", "no avatar can be shown"],
  ])("without the right %s are refused, with the feature that would not work", async (right, without) => {
    s3 = await startFakeS3();
    s3.denied.add(right);
    const reason = `The credentials lack the right ${right}: ${without}`;
    await expect(storeOf(s3).prepare()).rejects.toMatchObject(unavailable(new RegExp(reason)));
  });

  test("without the right s3:DeleteObject cause a warning that names the missing feature", async () => {
    s3 = await startFakeS3();
    s3.denied.add("s3:DeleteObject");
    expect(await storeOf(s3).prepare()).toMatch(/s3:DeleteObject: replaced and deleted avatars stay/);
  });

  test("without the right s3:ListBucket work; only a listing fails, with the reason", async () => {
    s3 = await startFakeS3();
    s3.denied.add("s3:ListBucket");
    const store = storeOf(s3);
    expect(await store.prepare()).toBeUndefined();
    await store.check();
    expect(await store.get("missing")).toBeUndefined();
    await expect(Array.fromAsync(store.list())).rejects.toMatchObject(unavailable(/s3:ListBucket/));
  });

  test("that lose the right to read make the store unavailable, instead of hiding avatars", async () => {
    s3 = await startFakeS3();
    const store = storeOf(s3);
    await store.prepare();
    s3.denied.add("s3:GetObject");
    await expect(store.check()).rejects.toMatchObject(unavailable(/s3:GetObject/));
    await expect(store.get("missing")).rejects.toMatchObject(unavailable(/s3:GetObject/));
  });
});

test("with MINIO_PREFIX, every object is stored below it, and listed without it", async () => {
  s3 = await startFakeS3({ hasBucket: true });
  const store = storeOf(s3, "us-east-1", { MINIO_PREFIX: "team/users/" });
  await store.prepare();
  await store.put("a/b", Buffer.from("x"), "image/png");
  expect((await store.get("a/b"))?.length).toBe(1);
  for (const request of s3.requests.filter((request) => !request.includes("?delete")))
    expect(request).toMatch(/^(GET|PUT) .avatars.team.users./);
});
