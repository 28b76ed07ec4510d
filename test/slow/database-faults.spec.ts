import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { createUser } from "../helpers/people.ts";
import { postUser } from "../helpers/process.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

const events = collectEvents();
let service: TestService;
beforeAll(async () => {
  jest.spyOn(console, "warn").mockReturnValue(); // Sequelize prints each rollback whose connection was cut
  service = await startService({ services: [events.schema] });
});
afterAll(() => service.stop());

type Answer = { what: string; status: number; retryAfter: string | null; ms: number; id?: string };

/** Sends one request after the other until it is stopped; every answer is kept. */
async function load(stop: AbortSignal, answers: Answer[], userId: string): Promise<void> {
  const headers = { ...service.internal, "content-type": "application/json" };
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await fetch(service.url + path, { method, headers, body: body && JSON.stringify(body) });
    await answer.arrayBuffer();
    return { status: answer.status, retryAfter: answer.headers.get("retry-after") };
  };
  const path = `/api/v1/users/${userId}`;
  const requests: Record<string, () => Promise<Omit<Answer, "what" | "ms">>> = {
    create: () => postUser(service.url),
    get: () => ask("GET", path),
    list: () => ask("GET", "/api/v1/users?limit=2"),
    update: () => ask("PATCH", path, { profile: { bio: crypto.randomUUID() } }),
    preferences: () =>
      ask("PATCH", `${path}/preferences`, { timezone: Math.random() < 0.5 ? "UTC" : "Asia/Tokyo" }),
    increment: () => ask("POST", `${path}/stats/increment-interviews`),
    quotas: () => ask("PATCH", `${path}/quotas`, { maxInterviews: Math.floor(Math.random() * 1000) }),
  };
  while (!stop.aborted)
    for (const [what, request] of Object.entries(requests)) {
      const start = Date.now();
      const answer = await request();
      answers.push({ what, ...answer, ms: Date.now() - start });
    }
}

/** Answered within 6 s, with 2xx or with 503 and Retry-After. */
const isGood = ({ status, retryAfter, ms }: Answer) =>
  ms < 6_000 && (status === 200 || status === 201 || (status === 503 && retryAfter !== null));

async function expectWritten(answers: Answer[]): Promise<void> {
  await outboxEmpty(service.database, 10_000);
  const ids = answers.flatMap(({ what, status, id }) =>
    what === "create" && status === 201 && id ? [id] : [],
  );
  const rows = await service.database.sql("SELECT id FROM users WHERE id = ANY($1::uuid[])", [ids]);
  expect(rows).toHaveLength(ids.length);
  const published = new Set(
    events.received.flatMap(({ eventType, userId }) => (eventType === "user.created" ? [userId] : [])),
  );
  expect(ids.filter((id) => !published.has(id))).toEqual([]);
}

test("while database connections are cut under load, every answer is 2xx or 503; 2 s later every request succeeds", async () => {
  const { id } = await createUser(service);
  const stop = new AbortController();
  const answers: Answer[] = [];
  const loads = Array.from({ length: 8 }, () => load(stop.signal, answers, id));
  for (let cuts = 0; cuts < 25; cuts++) {
    await sleep(50 + Math.random() * 150);
    await service.database.cutConnections();
  }
  const cutAt = Date.now();
  await waitFor(async () => (await fetch(`${service.url}/health/ready`)).status === 200, 2_000);
  await waitFor(async () => (await postUser(service.url)).status === 201, 2_000 - (Date.now() - cutAt));
  await sleep(200);
  const before = answers.length;
  await sleep(500);
  stop.abort();
  await Promise.all(loads);
  expect(answers.filter((answer) => !isGood(answer))).toEqual([]);
  expect(answers.slice(before).filter(({ status }) => status >= 300)).toEqual([]);
  expect(answers.length).toBeGreaterThan(100);
  await expectWritten(answers);
}, 30_000);

test("increments that were answered 200 while connections were cut are all counted", async () => {
  const { id } = await createUser(service);
  const stop = new AbortController();
  const answers: Answer[] = [];
  const loads = Array.from({ length: 4 }, () => load(stop.signal, answers, id));
  for (let cuts = 0; cuts < 5; cuts++) {
    await sleep(150);
    await service.database.cutConnections();
  }
  stop.abort();
  await Promise.all(loads);
  const increments = answers.filter(({ what }) => what === "increment");
  const counted = increments.filter(({ status }) => status === 200).length;
  const { body } = await service.http.get(`/api/v1/users/${id}/stats`).set(service.internal).expect(200);
  // a write that was answered 503 may have been committed or not
  expect(body.interviewsCreated).toBeGreaterThanOrEqual(counted);
  expect(body.interviewsCreated).toBeLessThanOrEqual(increments.length);
});

test("while the database does not answer, requests get 503 within 6 s, and later requests succeed", async () => {
  const { id } = await createUser(service);
  await outboxEmpty(service.database);
  const locked = service.database.sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(7)");
  await sleep(100);
  const stop = new AbortController();
  const answers: Answer[] = [];
  const loads = Array.from({ length: 20 }, () => load(stop.signal, answers, id));
  await sleep(300);
  const live = await fetch(`${service.url}/health/live`);
  expect(live.status).toBe(200);
  await sleep(5_500);
  stop.abort();
  await locked;
  await Promise.all(loads);
  expect(answers.filter((answer) => !isGood(answer))).toEqual([]);
  expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(0);
  await waitFor(async () => (await postUser(service.url)).status === 201, 2_000);
  await expectWritten(answers);
}, 30_000);
