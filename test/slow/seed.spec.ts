import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import sharp from "sharp";
import { startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { COMPILE_CACHE } from "../helpers/process.ts";

const run = promisify(execFile);
let database: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  dataDir = await mkdtemp(join(tmpdir(), "user-service-seed-"));
});
afterAll(async () => {
  await database.drop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
});

/** `npm run seed` with this environment only. */
const seed = (env: Record<string, string>, ...options: string[]) =>
  run(process.execPath, ["cli/seed/seed.ts", ...options], {
    env: { DATA_DIR: dataDir, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
  });

const users = () => database.sql("SELECT * FROM users ORDER BY id");

test("seed: creates the tables in an empty database and the given number of users, and publishes no events", async () => {
  const { stdout } = await seed(database.env, "--users", "1200", "--avatars", "3");
  expect(stdout).toMatch(/^\n?1200 users in /);
  expect(await users()).toHaveLength(1200);
  expect(await database.sql("SELECT * FROM outbox")).toEqual([]);
});

test("seed: the history of each user begins with its creation by a service, without an event", async () => {
  const entries = await database.sql<{ user_id: string }>(
    "SELECT user_id, version::int, by_kind, event_id, changes FROM user_history",
  );
  expect(new Set(entries.map(({ user_id }) => user_id)).size).toBe(1200);
  const [user] = await users();
  expect(entries.find(({ user_id }) => user_id === user?.id)).toMatchObject({
    version: 1,
    by_kind: "internal",
    event_id: null,
    changes: {
      email: { from: null, to: user?.email },
      maxInterviews: { from: null, to: user?.max_interviews },
    },
  });
});

test("seed: each avatar exists in every size, and counts toward the storage of its user", async () => {
  const rows = await database.sql<{ avatar_key: string; avatar_size: number; avatar_url: string }>(
    "SELECT * FROM users WHERE avatar_key IS NOT NULL AND storage_used >= avatar_size",
  );
  expect(rows).toHaveLength(3);
  for (const { avatar_key, avatar_size } of rows) {
    const folder = join(dataDir, "avatars", avatar_key);
    const files = await readdir(folder);
    const bytes = await Promise.all(files.map((file) => readFile(join(folder, file))));
    expect(files).toHaveLength(8);
    expect(bytes.reduce((sum, { length }) => sum + length, 0)).toBe(Number(avatar_size));
    const { width, height } = await sharp(join(folder, "512.webp")).metadata();
    expect([width, height]).toEqual([512, 512]);
  }
});

test("seed: a second run with more users keeps the existing ones unchanged and adds the others", async () => {
  const before = await users();
  await database.sql("UPDATE users SET full_name = 'Changed' WHERE id = $1", [before[0]?.id]);
  await seed(database.env, "--users", "1300", "--avatars", "0");
  const after = await users();
  expect(after).toHaveLength(1300);
  const known = new Set(before.map(({ id }) => id));
  expect(after.filter(({ id }) => known.has(id))).toEqual([
    { ...before[0], full_name: "Changed" },
    ...before.slice(1),
  ]);
});

test("seed: without environment variables, fills the embedded database that npm start uses", async () => {
  await seed({}, "--users", "20", "--avatars", "0");
  const options = { dataDir: join(dataDir, "postgres"), database: "ai_video_interview" };
  const { stop, ...address } = await startEmbeddedPostgres(options);
  const { default: pg } = await import("pg");
  const client = new pg.Client(address);
  await client.connect();
  const { rows } = await client.query("SELECT count(*)::int AS count FROM user_service.users");
  await client.end();
  await stop();
  expect(rows).toEqual([{ count: 20 }]);
});

test.each(["--users=many", "--people=5"])(
  "seed: %s is refused with a line that shows the usage",
  async (option) => {
    await expect(seed(database.env, option)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("npm run seed -- [--users 1000] [--avatars 100] [--seed 1]"),
    });
  },
);
