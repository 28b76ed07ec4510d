import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { blockEmail } from "../helpers/block-email.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { newUser } from "../helpers/people.ts";
import { INTERNAL_TOKEN, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { type Answered, request } from "../helpers/request.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 21: safe retries, with two nodes on one database. */

jest.setTimeout(60_000);

let database: TestDatabase;
let nodes: ServiceProcess[];
beforeAll(async () => {
  database = await createDatabase();
  nodes = await Promise.all([1, 2].map(() => spawnService(database.env)));
  await Promise.all(nodes.map((node) => node.ready(40_000)));
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  await database.drop();
});

const internal = { "x-internal-token": INTERNAL_TOKEN };
const create = (node: ServiceProcess | undefined, headers: object, body: object): Promise<Answered> =>
  request(node?.url ?? "", {
    method: "POST",
    path: "/api/v1/users",
    headers: { ...internal, ...headers },
    body,
  });
const key = () => ({ "idempotency-key": crypto.randomUUID() });
const nodeOf = (i: number) => nodes[i % nodes.length];

/** How many rows a user has, and their ids. */
async function madeOf(keycloakId: string): Promise<{ rows: number; ids: unknown[] }> {
  const rows = await database.sql("SELECT id FROM users WHERE keycloak_id = $1", [keycloakId]);
  return { rows: rows.length, ids: rows.map(({ id }) => id) };
}

test("30 equal POST /users with one key to two nodes create one row; each answer is the same 201, or 409 with Retry-After: 1", async () => {
  const [headers, body] = [key(), newUser()];
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) => create(nodeOf(i), headers, body)));
  const created = all.filter(({ status }) => status === 201);
  const busy = all.filter(({ status }) => status === 409);
  expect([created.length > 0, created.length + busy.length]).toEqual([true, 30]);
  expect(new Set(created.map(({ bytes }) => bytes.toString())).size).toBe(1);
  expect(busy.filter((answer) => answer.headers["retry-after"] !== "1")).toEqual([]);
  expect(await madeOf(body.keycloakId)).toEqual({ rows: 1, ids: [created[0]?.body.id] });
  for (const node of nodes) {
    const repeat = await create(node, headers, body);
    expect([repeat.status, repeat.headers["idempotency-replayed"]]).toEqual([201, "true"]);
  }
});

test("30 equal POST /users without a key to two nodes are answered once with 201 and 29 times with 409", async () => {
  const body = newUser();
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) => create(nodeOf(i), {}, body)));
  expect(all.map(({ status }) => status).sort()).toEqual([201, ...Array(29).fill(409)]);
  expect((await madeOf(body.keycloakId)).rows).toBe(1);
});

test("50 concurrent PUT /users/by-keycloak to two nodes create one row: one 201, all others 200, all with the same User", async () => {
  const { keycloakId, ...body } = newUser();
  const path = `/api/v1/users/by-keycloak/${keycloakId}`;
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      request(nodeOf(i)?.url ?? "", { method: "PUT", path, headers: internal, body }),
    ),
  );
  expect(all.map(({ status }) => status).sort()).toEqual([...Array(49).fill(200), 201]);
  expect(new Set(all.map(({ bytes }) => bytes.toString())).size).toBe(1);
  expect((await madeOf(keycloakId)).rows).toBe(1);
});

test("a repeat on another node gets 409 with Retry-After: 1 while the first request runs, and succeeds after the first node was killed", async () => {
  const [headers, body] = [key(), newUser()];
  const blocker = await blockEmail(database, body.email);
  const first = create(nodes[0], headers, body).catch(() => "cut off");
  await waitFor(database.someoneWaits);
  const busy = await create(nodes[1], headers, body);
  expect([busy.status, busy.headers["retry-after"]]).toEqual([409, "1"]);
  nodes[0]?.child.kill("SIGKILL");
  expect(await first).toBe("cut off");
  await blocker.end();
  const answer = await waitFor(async () => {
    const answer = await create(nodes[1], headers, body);
    return answer.status === 409 ? undefined : answer;
  });
  expect([answer.status, answer.headers["idempotency-replayed"]]).toEqual([201, undefined]);
  expect(await madeOf(body.keycloakId)).toEqual({ rows: 1, ids: [answer.body.id] });
});
