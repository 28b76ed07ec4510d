import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createUser } from "../helpers/people.ts";
import { postUser } from "../helpers/process.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The session defaults of a database differ from ours, or change while the service runs. */
let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const alter = (setting: string) =>
  service.database.sql(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${setting}', current_database()); END $$`,
  );
const isReady = async () => (await fetch(`${service.url}/health/ready`)).status === 200;

test("the answers are the same with other session defaults of the database", async () => {
  const before = await createUser(service);
  for (const setting of [
    "DateStyle TO ''German''",
    "TimeZone TO ''Asia/Tokyo''",
    "standard_conforming_strings TO off",
    "search_path TO pg_catalog",
    "default_transaction_isolation TO serializable",
    "statement_timeout TO 1",
  ])
    await alter(setting);
  await service.database.cutConnections();
  const get = () => service.http.get(`/api/v1/users/${before.id}`).set(service.internal);
  const { body } = (await waitFor(async () => {
    const answer = await get();
    return answer.status === 200 && answer; // before that, the pool may still use a cut connection
  })) as { body: { createdAt: string } };
  expect(new Date(body.createdAt).toISOString()).toBe(body.createdAt);
  const created = await createUser(service);
  const path = `/api/v1/users/${created.id}`;
  const bio = "a \\ backslash's";
  const answer = await service.http.patch(path).set(service.internal).send({ profile: { bio } }).expect(200);
  expect(answer.body.profile.bio).toBe(bio);
});

test("while the database is read-only, writes are 503 and the node is not ready; 2 s later writes succeed", async () => {
  await createUser(service);
  await alter("default_transaction_read_only TO on");
  await service.database.cutConnections();
  for (let n = 0; n < 3; n++) {
    const { status, retryAfter } = await postUser(service.url);
    expect({ status, retryAfter }).toEqual({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) });
  }
  expect(await isReady()).toBe(false);
  await service.database.sql("SET default_transaction_read_only TO off");
  await service.database.sql(
    "DO $$ BEGIN SET TRANSACTION READ WRITE; EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only TO off', current_database()); END $$",
  );
  await waitFor(async () => (await postUser(service.url)).status === 201, 2_000);
  await waitFor(isReady);
});

test("a purge deletes old processed events in slices, and keeps the others", async () => {
  const { purgeProcessed } = await import("../../services/stats/stats.store.ts");
  const insert = (prefix: string, count: number, age: string) =>
    service.database.sql(
      `INSERT INTO processed_events (event_id, service_name, topic, processed_at)
       SELECT $1 || n, 'user-service', 'media-events', now() - $3::interval FROM generate_series(1, $2::int) n`,
      [prefix, count, age],
    );
  await insert("old", 25, "31 days");
  await insert("new", 3, "29 days");
  await purgeProcessed({ slice: 10, within: 0 }); // no time left: deletes nothing
  expect(await service.database.sql("SELECT FROM processed_events")).toHaveLength(28);
  await purgeProcessed({ slice: 10, within: 20_000 });
  const rows = await service.database.sql<{ event_id: string }>("SELECT event_id FROM processed_events");
  expect(rows.map(({ event_id }) => event_id).toSorted()).toEqual(["new1", "new2", "new3"]);
});
