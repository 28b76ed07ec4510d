import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { migrateDown, migrateUp } from "../../migrations/migrate.ts";
import { fieldOf, User, type UserRow } from "../../models/user.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";

let database: TestDatabase;
let migrations: string[];
const target = () => ({
  host: database.env.DATABASE_HOST,
  port: Number(database.env.DATABASE_PORT),
  user: database.env.DATABASE_USER,
  password: database.env.DATABASE_PASSWORD,
  database: database.env.DATABASE_NAME,
  schema: "user_service",
});
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  migrations = await migrateUp(target());
});
afterAll(() => database.drop());

test("the migrations create a column for each attribute of User", async () => {
  const columns = await database.sql<{ name: string }>(
    "SELECT attname AS name FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0",
  );
  const attributes = Object.keys(User.getAttributes()) as (keyof UserRow)[];
  expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining(attributes.map(fieldOf)));
});

test("each migration can be reverted and run again", async () => {
  const reverted: string[] = [];
  for (const name of migrations.toReversed()) {
    const before = await schema();
    reverted.push(...(await migrateDown(target())));
    expect([name, await schema()]).not.toEqual([name, before]); // an empty `down` changes nothing
  }
  expect(reverted).toEqual(migrations.toReversed());
  expect(await migrateUp(target())).toEqual(migrations);
});

/** The columns, indexes and functions of the schema. */
const schema = () =>
  database.sql(`
    SELECT attrelid::regclass::text AS of, attname AS name, format_type(atttypid, atttypmod) AS definition
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'user_service'::regnamespace AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'user_service'
    UNION ALL
    SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'user_service'::regnamespace
    ORDER BY 1, 2`);
