import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { tokenUntil } from "../helpers/bad-tokens.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { type ServiceProcess, spawnService } from "../helpers/process.ts";
import { request } from "../helpers/request.ts";

/** Contract 27: the first `GET /users/me` creates the user of the token, with two nodes on one database. */

jest.setTimeout(60_000);

let database: TestDatabase;
let dataDir: string;
const nodes: ServiceProcess[] = [];
beforeAll(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), "user-service-data-")); // shared by both nodes, because it contains the key of the tokens
  process.env.DATA_DIR = dataDir;
  const env = { ...database.env, USERS_AUTO_CREATE: "true", DATA_DIR: dataDir };
  for (let i = 0; i < 2; i++) {
    const node = await spawnService(env);
    nodes.push(node);
    await node.ready(40_000); // the first one creates the key
  }
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

test("200 concurrent first requests to two nodes create one row with one history entry, and all are answered with 200 and the same user", async () => {
  const sub = crypto.randomUUID();
  const headers = await tokenUntil(600, { sub, email: `${sub}@example.com`, name: "Ada Lovelace" });
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      request(nodes[i % 2]?.url ?? "", { path: "/api/v1/users/me", headers }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(200).fill(200));
  const ids = new Set(answers.map(({ body }) => body.id));
  expect(ids.size).toBe(1);
  expect(await database.sql("SELECT id FROM users")).toEqual([{ id: [...ids][0] }]);
  expect(await database.sql("SELECT version::int FROM user_history")).toEqual([{ version: 1 }]);
});
