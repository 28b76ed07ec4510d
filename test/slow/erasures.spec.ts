import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { call } from "../../lib/contract/call.ts";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { foundIn, operatorOf } from "../helpers/erasure.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25 with many people: no personal data is left, sums do not change, and no user is half erased. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const text = () => `x${crypto.randomUUID().replaceAll("-", "")}`;
/** 50 cuts take half a minute. 200 passed as well, in 2 minutes. */
const CUTS = 50;

const SUMS = `
  SELECT sum(interviews_created)::text, sum(storage_used)::text, sum(candidates_total)::text, count(*)::text FROM users`;

/** A person with 5 random texts in the row, the history, the outbox, a dead letter and a stored answer. */
async function makePerson(): Promise<{ id: string; texts: string[] }> {
  const { broker, database } = service;
  const [keycloakId, email, fullName, companyName, bio] = Array.from({ length: 5 }, text) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const params = { keycloakId, email: `${email}@example.com`, profile: { fullName, companyName, bio } };
  const { id } = await call(broker, "users.create", params, { meta: { idempotencyKey: text() } });
  const again = call(broker, "users.create", params, { meta: { idempotencyKey: text() } });
  await expect(again).rejects.toMatchObject({ code: 409 });
  await call(broker, "users.update", { id, profile: { bio: `${bio} and more` } });
  await call(broker, "stats.incrementInterviews", { id });
  const texts = [keycloakId, email, fullName, companyName, bio];
  const data = { fileId: texts.join(), fileSize: -1 };
  await broker.emit("media.uploaded", { eventType: "media.uploaded", userId: id, data });
  const value = JSON.stringify({ eventType: "user.updated", userId: id, data: { changes: { texts } } });
  await database.sql(
    "INSERT INTO outbox (topic, key, value, set_aside_at, fault) VALUES ('user-events', $1, $2, now(), 'X')",
    [id, value],
  );
  return { id, texts };
}

async function makePeople(count: number) {
  const people = [];
  for (let made = 0; made < count; made += 20)
    people.push(...(await Promise.all(Array.from({ length: 20 }, makePerson))));
  await waitFor(async () => (await service.database.sql("SELECT FROM dead_letters")).length >= count, 60_000);
  return people;
}

const schedule = (ids: string[]) =>
  service.database.sql(
    `WITH deleted AS (UPDATE users SET deleted_at = now(), version = version + 1 WHERE id = ANY($1))
     INSERT INTO erasures (id, user_id, due_at) SELECT gen_random_uuid(), id, now() FROM unnest($1::uuid[]) AS id`,
    [ids],
  );

test("after the erasure of 1,000 people the database contains none of their 5,000 texts, and all sums are unchanged", async () => {
  const people = await makePeople(1_000);
  const texts = people.flatMap((person) => person.texts);
  expect((await foundIn(service, texts)).length).toBe(5_000);
  const before = await service.database.sql(SUMS);
  await schedule(people.map(({ id }) => id));
  const { erased } = await operatorOf(service).purge();
  expect(erased).toBe(1_000);
  expect(await foundIn(service, texts)).toEqual([]);
  expect(await service.database.sql(SUMS)).toEqual(before);
}, 300_000);

test("if connections are lost at random during erasures, no user is half erased, and all are erased in the end", async () => {
  const { database } = service;
  const people = await makePeople(100);
  await schedule(people.map(({ id }) => id));
  const halves = `
    SELECT users.id FROM users JOIN erasures ON user_id = users.id
    WHERE (erased_at IS NOT NULL) <> (email = '') OR (erased_at IS NOT NULL) <> (full_name = '') OR (
      erased_at IS NOT NULL AND (
        EXISTS (SELECT FROM user_history WHERE user_id = users.id AND changes::text LIKE '%"to": "%')
        OR EXISTS (SELECT FROM dead_letters WHERE encode(event, 'escape') LIKE '%' || users.id || '%')
        OR EXISTS (SELECT FROM outbox WHERE key = users.id::text AND value ->> 'eventType' = 'user.updated')))`;
  const operator = operatorOf(service);
  const left = async () =>
    (await database.sql("SELECT FROM erasures WHERE erased_at IS NULL AND cancelled_at IS NULL")).length;
  const warned = jest.spyOn(console, "warn").mockImplementation(() => {}); // Sequelize reports each lost transaction
  for (let cuts = 0; cuts < CUTS; cuts++) {
    const purging = operator.purge().catch(() => {});
    await sleep(Math.random() * 12);
    await database.cutConnections();
    await purging;
    expect(await database.sql(halves)).toEqual([]);
  }
  warned.mockRestore();
  await waitFor(async () => (await operator.purge().catch(() => undefined)) && (await left()) === 0, 60_000);
  expect(await database.sql(halves)).toEqual([]);
  await database.sql("DELETE FROM outbox WHERE set_aside_at IS NOT NULL");
  await outboxEmpty(database);
  expect(
    await foundIn(
      service,
      people.flatMap(({ texts }) => texts),
    ),
  ).toEqual([]);
}, 300_000);
