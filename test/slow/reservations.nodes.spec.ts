import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Quota } from "../../services/stats/stats.contract.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { newUser } from "../helpers/people.ts";
import { INTERNAL_TOKEN, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { type Answered, request } from "../helpers/request.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 26 with two nodes on one database, each with a `stats` service of its own. */

let database: TestDatabase;
let nodes: ServiceProcess[] = [];
beforeAll(async () => {
  database = await createDatabase();
  nodes = await Promise.all([spawnService(database.env), spawnService(database.env)]);
  await Promise.all(nodes.map((node) => node.ready(30_000)));
}, 60_000);
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  await database?.drop();
});

const headers = { "x-internal-token": INTERNAL_TOKEN };
/** Sends a request to the nodes in turn. It is repeated after a 503, which means that it had no effect. */
async function ask(
  turn: number,
  method: string,
  path: string,
  body?: object,
  more: object = {},
): Promise<Answered> {
  const url = nodes[turn % nodes.length]?.url ?? "";
  const asked = { method, path: `/api/v1/users${path}`, body, headers: { ...headers, ...more } };
  return waitFor(async () => {
    const answer = await request(url, asked);
    return answer.status === 503 ? undefined : answer;
  }, 20_000);
}

async function userWith(maxInterviews: number): Promise<string> {
  const { id } = (await ask(0, "POST", "", newUser())).body;
  await ask(0, "PATCH", `/${id}/quotas`, { maxInterviews });
  return id;
}
const quotaOf = async (id: string) => (await ask(0, "GET", `/${id}/quotas`)).body.interviews as Quota;
const tally = (answers: Answered[]) =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, all]) => [status, all.length]),
  );

test("limit 10, 200 concurrent reservations on two nodes with keys: 10 get 201 and 190 get 409; repeats with the same keys add none", async () => {
  const id = await userWith(10);
  const keys = Array.from({ length: 200 }, () => crypto.randomUUID());
  const all = () =>
    Promise.all(
      keys.map((key, turn) =>
        ask(
          turn,
          "POST",
          `/${id}/quota/reservations`,
          { resource: "interviews", ttl: 60 },
          {
            "idempotency-key": key,
          },
        ),
      ),
    );
  const first = await all();
  expect(tally(first)).toEqual({ 201: 10, 409: 190 });
  expect(await quotaOf(id)).toMatchObject({ used: 0, reserved: 10, remaining: 0 });
  const second = await all();
  expect(second.map(({ body }) => body.reservationId)).toEqual(first.map(({ body }) => body.reservationId));
  expect(tally(second)).toEqual({ 201: 10, 409: 190 });
  const rows = await database.sql("SELECT FROM quota_reservations WHERE user_id = $1", [id]);
  expect(rows).toHaveLength(10);

  const text =
    "UPDATE quota_reservations SET expires_at = clock_timestamp() + interval '300 ms' WHERE user_id = $1";
  await database.sql(text, [id]);
  const expiresAt = Date.now() + 300;
  await waitFor(async () => (await quotaOf(id)).remaining === 10);
  expect(Date.now() - expiresAt).toBeLessThan(1000);
  expect((await ask(1, "POST", `/${id}/quota/reservations`, { resource: "interviews" })).status).toBe(201);
}, 60_000);

test("limit 10, 200 concurrent reservations without keys: 10 get 201 and 190 get 409 Quota exceeded", async () => {
  const id = await userWith(10);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, turn) =>
      ask(turn, "POST", `/${id}/quota/reservations`, { resource: "interviews" }),
    ),
  );
  expect(tally(answers)).toEqual({ 201: 10, 409: 190 });
  for (const { status, body } of answers.filter(({ status }) => status === 409))
    expect([status, body.message, body.details?.[0]?.field]).toEqual([409, "Quota exceeded", "interviews"]);
}, 60_000);

test("of concurrent commits and releases of a reservation on two nodes, only one kind succeeds, and it is counted once", async () => {
  const id = await userWith(100);
  for (let round = 0; round < 10; round++) {
    const { used } = await quotaOf(id);
    const { reservationId } = (
      await ask(round, "POST", `/${id}/quota/reservations`, { resource: "interviews" })
    ).body;
    const path = `/${id}/quota/reservations/${reservationId}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, turn) =>
        turn % 4 < 2 ? ask(turn, "POST", `${path}/commit`) : ask(turn, "DELETE", path),
      ),
    );
    const committed = answers[0]?.status === 200;
    expect(answers.map(({ status }) => status)).toEqual(
      answers.map((_, turn) => (turn % 4 < 2 === committed ? 200 : 409)),
    );
    expect(await quotaOf(id)).toMatchObject({ used: used + (committed ? 1 : 0), reserved: 0 });
  }
}, 60_000);
