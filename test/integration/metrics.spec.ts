import { once } from "node:events";
import type { Server } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import type { ServiceSchema } from "moleculer";
import { jpeg } from "../helpers/images.ts";
import { createUser } from "../helpers/people.ts";
import { samplesAt } from "../helpers/samples.ts";
import { INTERNAL_TOKEN, startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Delays the relay, which waits for a listener of its own process. */
const listener = { hears: Promise.withResolvers<void>() };
const slowListener: ServiceSchema = {
  name: "slow-listener",
  events: { "user.updated": () => listener.hears.promise },
};

let service: TestService;
let before: Record<string, number>;
beforeAll(async () => {
  service = await startService({ services: [slowListener] });
});
beforeEach(async () => {
  before = await scrape();
});
afterAll(() => service.stop());

const realNow = performance.now.bind(performance);
let ahead = 0;
jest.spyOn(performance, "now").mockImplementation(() => realNow() + ahead);
afterAll(() => void jest.restoreAllMocks());

/** Scrapes after the shared figures of the previous scrape have expired. */
const scrape = (url = service.nodeUrl) => {
  ahead += 5_000;
  return samplesAt(url);
};

/** The growth of a sample since the test began. */
async function grown(sample: string): Promise<number> {
  const { [sample]: now = 0 } = await scrape();
  return now - (before[sample] ?? 0);
}

const calls = (action: string, result: string) =>
  `user_service_action_duration_seconds_count{action="${action}",result="${result}"}`;

test("calls of an action are counted by result, and errors of the caller are not counted as errors of the server", async () => {
  const { id, headers } = await createUser(service);
  await service.http.get(`/api/v1/users/${id}`).set(headers).expect(200);
  await service.http
    .get(`/api/v1/users/${crypto.randomUUID()}`)
    .set(await service.admin())
    .expect(404);
  await service.database.sql("ALTER TABLE users RENAME TO away");
  await service.http
    .get(`/api/v1/users/${crypto.randomUUID()}`)
    .set(await service.admin())
    .expect(503);
  await service.database.sql("ALTER TABLE away RENAME TO users");
  expect(await grown(calls("users.get", "ok"))).toBe(1);
  expect(await grown(calls("users.get", "client_error"))).toBe(1);
  expect(await grown(calls("users.get", "server_error"))).toBe(1);
});

test("the gateway counts its answers by status, also those without a call of an action", async () => {
  const counted = (status: number) => grown(`user_service_http_responses_total{status="${status}"}`);
  await service.http.get("/health").expect(200);
  await service.http.get("/api/v1/users/me").expect(401);
  await service.http.get("/nothing/here").expect(404);
  const leaving = connect(Number(new URL(service.url).port), "127.0.0.1");
  const head = `POST /api/v1/users HTTP/1.1\r\nHost: x\r\nx-internal-token: ${INTERNAL_TOKEN}\r\n`;
  const { server } = service.broker.getLocalService("api") as unknown as { server: Server };
  const arrived = once(server, "request");
  leaving.write(`${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`);
  await arrived;
  leaving.resetAndDestroy();
  await waitFor(async () => (await counted(499)) === 1);
  expect([await counted(200), await counted(401), await counted(404)]).toEqual([1, 1, 1]);
});

test("the time of each stage of an avatar is measured", async () => {
  const { id, headers } = await createUser(service);
  const upload = service.http.post(`/api/v1/users/${id}/avatar`).set(headers);
  await upload.attach("file", await jpeg(), "me.jpg").expect(200);
  for (const stage of ["receive", "decode", "encode", "store"]) {
    const name = "user_service_avatar_stage_duration_seconds";
    expect([stage, await grown(`${name}_count{stage="${stage}"}`)]).toEqual([stage, 1]);
    expect(await grown(`${name}_sum{stage="${stage}"}`)).toBeGreaterThan(0);
  }
});

test("the connections of the pool that are open and in use, the waiting queries and the maximum are reported", async () => {
  const { transaction } = await import("../../models/database.ts");
  const { registry } = await import("../../lib/runtime/metrics.ts");
  const pool = async (what: string) =>
    (await registry.getSingleMetric(`user_service_database_pool_${what}`)?.get())?.values[0]?.value;

  const held = Promise.withResolvers<void>();
  const twelve = Promise.all(Array.from({ length: 12 }, () => transaction(() => held.promise)));
  await waitFor(async () => (await pool("used_connections")) === 10);
  expect(await pool("open_connections")).toBe(10);
  expect(await pool("max_connections")).toBe(10);
  expect(await pool("waiting_requests")).toBeGreaterThanOrEqual(2); // background work such as the relay may wait too
  held.resolve();
  await twelve;
  await waitFor(async () => (await pool("used_connections")) === 1); // the lease of the relay
  expect(await pool("waiting_requests")).toBe(0);
});

test("the outbox gauges contain the number of waiting records and their age", async () => {
  const { id, headers } = await createUser(service);
  const records = async () => (await scrape()).user_service_outbox_lag_records;
  await waitFor(async () => (await records()) === 0);

  listener.hears = Promise.withResolvers();
  for (const bio of ["one", "two", "three"])
    await service.http.patch(`/api/v1/users/${id}`).set(headers).send({ profile: { bio } }).expect(200);
  expect(await records()).toBe(3);
  expect((await samplesAt(service.nodeUrl)).user_service_outbox_lag_seconds).toBeGreaterThan(0);
  listener.hears.resolve();
  await waitFor(async () => (await records()) === 0);
  expect((await samplesAt(service.nodeUrl)).user_service_outbox_lag_seconds).toBe(0);
});

test("dead letters are counted by state and by code", async () => {
  const lost = { eventType: "interview.created", userId: crypto.randomUUID(), data: { interviewId: "lost" } };
  await service.broker.emit("interview.created", { ...lost, userId: "no UUID" });
  await service.broker.emit("interview.created", lost);
  expect(await grown("user_service_dead_letters_given_up")).toBe(1);
  expect(await grown("user_service_dead_letters_waiting")).toBe(1);
  const poisoned = 'user_service_dead_letters_total{topic="interview-events",code="VALIDATION_ERROR"}';
  expect(await grown(poisoned)).toBe(1);
});

test("a gauge is NaN if its source is unavailable, and the other metrics are still returned", async () => {
  await service.database.sql("ALTER TABLE dead_letters RENAME TO missing");
  const samples = await scrape(service.url);
  await service.database.sql("ALTER TABLE missing RENAME TO dead_letters");
  expect(samples.user_service_dead_letters_given_up).toBeNaN();
  expect(samples.user_service_outbox_lag_records).toBe(0);
});

test("scrapes within 5 seconds share the figures that cost a query", async () => {
  const { id, headers } = await createUser(service);
  const records = (samples: Record<string, number>) => samples.user_service_outbox_lag_records;
  await waitFor(async () => records(await scrape()) === 0);
  listener.hears = Promise.withResolvers();
  await service.http
    .patch(`/api/v1/users/${id}`)
    .set(headers)
    .send({ profile: { bio: "x" } })
    .expect(200);
  const shared = await Promise.all(Array.from({ length: 20 }, () => samplesAt(service.nodeUrl)));
  expect(shared.map(records)).toEqual(Array(20).fill(0));
  expect(records(await scrape())).toBe(1);
  listener.hears.resolve();
});
