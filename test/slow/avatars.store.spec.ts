import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { type FakeS3, startFakeS3 } from "../helpers/fake-s3.ts";
import { type ServiceProcess, spawnService } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Health and logs of a node whose credentials for the object store lack a right. */

let s3: FakeS3;
let database: TestDatabase;
let service: ServiceProcess;
beforeEach(async () => {
  [s3, database] = await Promise.all([startFakeS3(), createDatabase()]);
});
afterEach(async () => {
  await service.remove();
  s3.close();
  await database.drop();
});

async function startWithout(right: string): Promise<void> {
  s3.denied.add(right);
  const env = { MINIO_ENDPOINT: "127.0.0.1", MINIO_PORT: String(s3.port), LOG_LEVEL: "warn" };
  service = await spawnService({ ...database.env, ...env });
}
/** The parts of the node that do not work. */
async function degraded(): Promise<string[]> {
  const answer = await fetch(`${service.nodeUrl}/health/ready`);
  return ((await answer.json()) as { degraded?: string[] }).degraded ?? [];
}
const linesAbout = (text: string) =>
  service
    .printed()
    .split("\n")
    .filter((line) => line.includes(text));

test("a node without the right to store avatars is degraded, logs the reason once, and recovers without a restart", async () => {
  await startWithout("s3:PutObject");
  await waitFor(() => linesAbout("s3:PutObject").length > 0, 20_000);
  const attempts = () => s3.requests.filter((request) => request.startsWith("PUT /avatars/.user-service"));
  await waitFor(() => attempts().length >= 3);
  await waitFor(async () => (await degraded()).includes("object store"));
  const [line = "", ...more] = linesAbout("s3:PutObject");
  expect(more).toEqual([]);
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    message: expect.stringMatching(/no avatar can be uploaded$/),
  });
  expect(linesAbout(" at ")).toEqual([]);
  s3.denied.clear();
  await waitFor(async () => (await degraded()).length === 0);
}, 60_000);

test("a node without the right to list the bucket is healthy, and logs once that s3:ListBucket is missing", async () => {
  await startWithout("s3:ListBucket");
  await waitFor(() => linesAbout("s3:ListBucket").length > 0);
  await sleep(1_500); // longer than the time between two attempts to prepare the store
  expect(linesAbout("s3:ListBucket")).toHaveLength(1);
  expect(await degraded()).toEqual([]);
  expect(linesAbout(" at ")).toEqual([]);
}, 60_000);
