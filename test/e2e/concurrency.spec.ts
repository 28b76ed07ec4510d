import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { FORMS, startCluster } from "../helpers/cluster.ts";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { startNode, type TestNode } from "../helpers/node.ts";
import { newUser } from "../helpers/people.ts";
import { type Asked, request } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";

/** Versions between nodes that communicate over a real Kafka (contract 20). */

const users = "/api/v1/users";
const internal = { "x-internal-token": INTERNAL_TOKEN };

const ask = (node: TestNode, asked: Asked, headers: Record<string, string> = {}) =>
  request(node.url, { ...asked, headers: { ...internal, ...asked.headers, ...headers } });

async function createUser(node: TestNode): Promise<string> {
  const answer = await ask(node, { method: "POST", path: users, body: newUser() });
  expect([answer.status, answer.headers.etag]).toEqual([201, '"1"']);
  return answer.body.id;
}

describe("with gateway, users and stats on separate nodes", () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  beforeAll(async () => {
    cluster = await startCluster(FORMS["three nodes"]);
  });
  afterAll(() => cluster?.stop());

  const WRITES: [string, (id: string) => Asked | Promise<Asked>][] = [
    [
      "PATCH /users/:id",
      (id) => ({ method: "PATCH", path: `${users}/${id}`, body: { profile: { bio: "x" } } }),
    ],
    [
      "PATCH /users/:id/quotas",
      (id) => ({ method: "PATCH", path: `${users}/${id}/quotas`, body: { maxInterviews: 3 } }),
    ],
    [
      "POST /users/:id/avatar",
      async (id) => ({
        method: "POST",
        path: `${users}/${id}/avatar`,
        headers: FORM,
        body: formOf({ filename: "a.jpg", type: "image/jpeg", content: await jpeg() }),
      }),
    ],
    ["DELETE /users/:id", (id) => ({ method: "DELETE", path: `${users}/${id}` })],
  ];

  test.each(WRITES)("%s honours If-Match on another node", async (_, asked) => {
    const id = await createUser(cluster.gateway);
    const stale = await ask(cluster.gateway, await asked(id), { "if-match": '"2"' });
    expect([stale.status, stale.headers["x-error-code"], stale.body.message]).toEqual([
      412,
      "VERSION_CONFLICT",
      "Precondition failed: the user has changed",
    ]);
    const { headers } = await ask(cluster.gateway, { path: `${users}/${id}` });
    expect(headers.etag).toBe('"1"');
    const current = await ask(cluster.gateway, await asked(id), { "if-match": '"1"' });
    expect(current.status).toBe(200);
  });

  test.each(["", "/preferences", "/quotas"])(
    "GET /users/:id%s has the ETag of another node's row",
    async (rest) => {
      const id = await createUser(cluster.gateway);
      const path = `${users}/${id}${rest}`;
      const first = await ask(cluster.gateway, { path });
      expect([first.status, first.headers.etag]).toEqual([200, '"1"']);
      const again = await ask(cluster.gateway, { path }, { "if-none-match": '"1"' });
      expect([again.status, again.bytes.length]).toEqual([304, 0]);
      const increment = { method: "POST", path: `${users}/${id}/stats/increment-interviews` };
      expect((await ask(cluster.gateway, increment)).status).toBe(200);
      const changed = await ask(cluster.gateway, { path }, { "if-none-match": '"1"' });
      expect([changed.status, changed.headers.etag]).toEqual([200, '"2"']);
    },
  );
});

describe("with two nodes that run all services on one database", () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let second: TestNode;
  beforeAll(async () => {
    cluster = await startCluster(FORMS["one node"]);
    second = await startNode({ ...cluster.env, SERVICES: String(FORMS["one node"]), NODEID: "second" });
  });
  afterAll(async () => {
    await second?.stop();
    await cluster?.stop();
  });

  test("of 20 concurrent writes with the same If-Match, ten on each node, one succeeds and 19 get 412", async () => {
    const id = await createUser(cluster.gateway);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const patch = { method: "PATCH", path: `${users}/${id}`, body: { profile: { bio: `of ${n}` } } };
        return ask(n % 2 ? cluster.gateway : second, patch, { "if-match": '"1"' });
      }),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, ...Array(19).fill(412)]);
    expect(answers.find(({ status }) => status === 200)?.headers.etag).toBe('"2"');
  });

  test("after a change on one node, the other node answers a write of the old version with 412, and its next read has the change", async () => {
    const id = await createUser(cluster.gateway);
    const path = `${users}/${id}`;
    const patch = (bio: string) => ({ method: "PATCH", path, body: { profile: { bio } } });
    const { headers } = await ask(second, { path });
    await ask(cluster.gateway, patch("first"));
    const given = { "if-match": String(headers.etag) };
    expect((await ask(second, patch("second"), given)).status).toBe(412);
    const next = await ask(second, { path }, { "if-none-match": String(headers.etag) });
    expect([next.status, next.headers.etag]).toEqual([200, '"2"']);
    expect(next.body.profile).toMatchObject({ bio: "first" });
  });
});
