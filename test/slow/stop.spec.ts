import { once } from "node:events";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { INTERNAL_TOKEN, postUser, type ServiceProcess, spawnService, statusOf } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

let service: ServiceProcess;
let database: TestDatabase;
afterEach(async () => {
  await service.remove();
  await database.drop();
});

async function startReady(env: Record<string, string> = {}): Promise<void> {
  database = await createDatabase();
  service = await spawnService({ ...database.env, ...env });
  await service.ready();
}

test("SIGTERM under load: every accepted request gets its response, and the exit code is 0 within 10 s", async () => {
  await startReady({ HTTP_STOP_NOTICE_SECONDS: "1" }); // long enough for each client to receive `Connection: close`, also on a busy machine
  const agent = new Agent({ keepAlive: true, maxSockets: 30 });
  const answers: number[] = [];
  const created: string[] = [];
  const faults: string[] = [];
  const post = (n: number) =>
    new Promise<boolean>((resolve) => {
      const body = JSON.stringify({
        keycloakId: `k${n}`,
        email: `k${n}@x.org`,
        profile: { fullName: "Ada" },
      });
      const headers = { "content-type": "application/json", "x-internal-token": INTERNAL_TOKEN };
      const req = request(`${service.url}/api/v1/users`, { method: "POST", agent, headers }, async (res) => {
        const text = (await res.toArray()).join("");
        answers.push(res.statusCode ?? 0);
        if (res.statusCode === 201) created.push(JSON.parse(text).id);
        resolve(res.headers.connection !== "close"); // "close" ends the use of this connection
      });
      req.on("error", (error: NodeJS.ErrnoException) => {
        faults.push(`${error.code} ${error.message}`);
        resolve(false);
      });
      req.end(body);
    });
  let n = 0;
  const loads = Array.from({ length: 30 }, async () => {
    while (await post(n++));
  });
  await sleep(500);
  const stoppedAt = Date.now();
  service.child.kill("SIGTERM");
  await Promise.all(loads);
  expect(await service.ended).toBe(0);
  expect(Date.now() - stoppedAt).toBeLessThan(10_000);
  agent.destroy();
  expect(faults).toEqual([]);
  expect(answers.filter((status) => status !== 201)).toEqual([]);
  expect(created.length).toBeGreaterThan(30);
  expect(await database.sql("SELECT 1 FROM users WHERE id = ANY($1::uuid[])", [created])).toHaveLength(
    created.length,
  );
  await outboxEmpty(database, 100); // what was committed was published
});

/** Sends a sign-up that waits until `release`, because the table is locked. */
async function holdSignUp() {
  const lock = await database.begin();
  await lock.query("LOCK TABLE users IN SHARE MODE");
  const answer = postUser(service.url).catch(() => "cut off" as const);
  await waitFor(database.someoneWaits);
  return { answer, release: () => lock.end() };
}

test("SIGTERM: the node is not ready at once, and a delayed request and one with an incomplete body still get their responses", async () => {
  await startReady();
  const path = `${service.url}/api/v1/users`;
  const headers = { "content-type": "application/json", "x-internal-token": INTERNAL_TOKEN };
  const body = JSON.stringify({ keycloakId: "slow", email: "slow@x.org", profile: { fullName: "Slow" } });
  const slow = request(path, { method: "POST", headers });
  const answered = once(slow, "response");
  slow.write(body.slice(0, 20));
  const held = await holdSignUp();
  service.child.kill("SIGTERM");
  await waitFor(async () => (await statusOf(`${service.nodeUrl}/health/ready`)) === 503, 800);
  await waitFor(async () => (await statusOf(`${service.url}/health/live`)) === 0); // no new connections
  await held.release();
  expect(await held.answer).toMatchObject({ status: 201 });
  slow.end(body.slice(20));
  expect((await answered)[0].resume().statusCode).toBe(201);
  expect(await service.ended).toBe(0);
});

test("SIGTERM with HTTP_STOP_NOTICE_SECONDS: for that time the node is not ready but accepts new connections", async () => {
  await startReady({ HTTP_STOP_NOTICE_SECONDS: "2" });
  service.child.kill("SIGTERM");
  const stoppedAt = Date.now();
  await waitFor(async () => (await statusOf(`${service.nodeUrl}/health/ready`)) === 503, 500);
  const answers: number[] = [];
  for (; Date.now() - stoppedAt < 1_900; await sleep(100)) {
    answers.push((await postUser(service.url)).status); // each on a new connection, because the previous answer closed its connection
    expect(await statusOf(`${service.url}/health/ready`)).toBe(503);
  }
  expect(answers.length).toBeGreaterThan(3);
  expect(answers.filter((status) => status !== 201)).toEqual([]);
  expect(await service.ended).toBe(0);
  expect(Date.now() - stoppedAt).toBeLessThan(5_000);
});

test("SIGTERM: a second signal within milliseconds is ignored, because npm forwards the signal that a terminal sends to both", async () => {
  await startReady();
  service.child.kill("SIGTERM");
  await sleep(20);
  service.child.kill("SIGTERM");
  expect(await service.ended).toBe(0);
});

test("SIGTERM: a second signal ends the process at once", async () => {
  await startReady();
  const held = await holdSignUp();
  service.child.kill("SIGTERM");
  await sleep(300);
  expect(service.child.exitCode).toBeNull();
  const secondAt = Date.now();
  service.child.kill("SIGTERM");
  expect(await service.ended).toBe(1);
  expect(Date.now() - secondAt).toBeLessThan(500);
  expect(await held.answer).toBe("cut off");
  await held.release();
});
