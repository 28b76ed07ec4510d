import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { minioStore } from "../../lib/object-store/minio-store.ts";
import { type FakeS3, startFakeS3 } from "../helpers/fake-s3.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** MINIO_USE_IAM: temporary credentials of a role, from each source that platforms offer. */

const folder = mkdtempSync(join(tmpdir(), "roles-"));
const environment = { ...process.env };
let s3: FakeS3;
let platform: http.Server;
/** The number of issued credentials, and their validity in s. */
let given: number;
let validFor: number;
beforeEach(async () => {
  [given, validFor] = [0, 3600];
  s3 = await startFakeS3({ hasBucket: true });
});
afterEach(() => {
  s3.close();
  platform.closeAllConnections();
  platform.close();
  process.env = { ...environment };
});

const expiry = () => new Date(Date.now() + 1000 * validFor).toISOString();
const asJson = (more = {}) =>
  JSON.stringify({
    ...more,
    AccessKeyId: `ROLE${++given}`,
    SecretAccessKey: "secret",
    Token: `token${given}`,
    Expiration: expiry(),
  });
const asXml = () => `
  <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    <AssumeRoleWithWebIdentityResult><Credentials>
      <AccessKeyId>ROLE${++given}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
      <SessionToken>token${given}</SessionToken><Expiration>${expiry()}</Expiration>
    </Credentials></AssumeRoleWithWebIdentityResult>
  </AssumeRoleWithWebIdentityResponse>`;

/** Starts a server of the platform. The keys of `answers` are prefixes of paths. */
async function startPlatform(
  answers: Record<string, (req: http.IncomingMessage) => string>,
): Promise<string> {
  platform = http.createServer((req, res) => {
    const [, answer] = Object.entries(answers).find(([path]) => req.url?.startsWith(path)) ?? [];
    req.resume().on("end", () => (answer ? res.end(answer(req)) : res.writeHead(404).end()));
  });
  await new Promise<void>((resolve) => platform.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
}

function store() {
  const { minio } = readConfig({
    MINIO_ENDPOINT: "127.0.0.1",
    MINIO_PORT: String(s3.port),
    MINIO_USE_IAM: "true",
    MINIO_REGION: "us-east-1",
  });
  if (!minio) throw new Error("not configured");
  return minioStore(minio);
}
const put = (to: ReturnType<typeof store>) => to.put("a/b", Buffer.from("x"), "image/png");
const signedBy = (key: string) =>
  s3.requests.filter((request) => request.includes(`Credential=${key}/`)).length;

test("the role of a Kubernetes service account (web identity) signs requests to the store", async () => {
  const AWS_WEB_IDENTITY_TOKEN_FILE = join(folder, "token");
  writeFileSync(AWS_WEB_IDENTITY_TOKEN_FILE, "a.signed.token");
  Object.assign(process.env, {
    AWS_WEB_IDENTITY_TOKEN_FILE,
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/avatars",
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_STS: await startPlatform({ "/": asXml }),
  });
  await put(store());
  expect(signedBy("ROLE1")).toBe(1);
  rmSync(folder, { recursive: true });
});

test("the role of a container (ECS, EKS Pod Identity) signs requests to the store", async () => {
  process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${await startPlatform({ "/role": () => asJson() })}/role`;
  await put(store());
  expect(signedBy("ROLE1")).toBe(1);
});

test("the role of an EC2 instance signs requests to the store", async () => {
  const path = "/latest/meta-data/iam/security-credentials/";
  process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = await startPlatform({
    "/latest/api/token": () => "token",
    [`${path}avatars`]: () => asJson({ Code: "Success" }),
    [path]: () => "avatars",
  });
  await put(store());
  expect(signedBy("ROLE1")).toBe(1);
});

test("a role's credentials are requested once, and renewed before they expire", async () => {
  process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${await startPlatform({ "/role": () => asJson() })}/role`;
  const lasting = store();
  await put(lasting);
  await put(lasting);
  expect([given, signedBy("ROLE1")]).toEqual([1, 2]);
  validFor = 30;
  const ending = store();
  await waitFor(async () => {
    await put(ending);
    return signedBy("ROLE3") > 0;
  });
  expect(signedBy("ROLE2")).toBeGreaterThan(0);
});

test("the store is unavailable, with the reason, if the platform returns no credentials", async () => {
  process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${await startPlatform({})}/role`;
  const start = performance.now();
  await expect(put(store())).rejects.toMatchObject({
    type: "DEPENDENCY_UNAVAILABLE",
    cause: { name: "CredentialsProviderError" },
  });
  expect(performance.now() - start).toBeLessThan(3_000);
});
