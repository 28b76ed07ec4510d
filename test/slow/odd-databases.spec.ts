import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { emailKey } from "../../lib/contract/email.ts";
import { migrateDown, migrateUp, pendingMigrations, type Target } from "../../migrations/migrate.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";

const targetOf = ({ env }: TestDatabase): Target => ({
  host: env.DATABASE_HOST,
  port: Number(env.DATABASE_PORT),
  user: env.DATABASE_USER,
  password: env.DATABASE_PASSWORD,
  database: env.DATABASE_NAME,
  schema: "user_service",
});

async function withDatabase(locale: string, work: (database: TestDatabase) => Promise<void>): Promise<void> {
  const database = await createDatabase({ migrated: false, locale });
  try {
    await work(database);
  } finally {
    await database.drop();
  }
}

const insert = (database: TestDatabase, email: string) =>
  database.sql("INSERT INTO users (keycloak_id, email, full_name) VALUES ($1, $2, 'Ada')", [
    crypto.randomUUID(),
    email,
  ]);

const searchIndex = (database: TestDatabase) =>
  database.sql("SELECT FROM pg_indexes WHERE indexname = 'idx_users_search'");

describe.each([
  ["C", "ENCODING 'UTF8' LOCALE 'C'"],
  ["Turkish ICU", "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'"],
  ["the built-in C.UTF-8", "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"],
])("in a database with the locale %s", (_, locale) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ migrated: false, locale });
    await migrateUp(targetOf(database));
  });
  afterAll(() => database.drop());

  test.each([
    ["INFO@EXAMPLE.COM", "info@example.com"],
    ["ÄNNA@x.de", "änna@x.de"],
    ["ΝΙΚΟΣ.ΠΑΠΑΣ@x.gr", "νικος.παπας@x.gr"],
    ["A\u0308da@x.de", "äda@x.de"],
    ["\u0130stanbul@x.tr", "i\u0307stanbul@x.tr"],
  ])("the e-mails %s and %s are the same", async (first, second) => {
    await insert(database, first);
    await expect(insert(database, second)).rejects.toMatchObject({ constraint: "idx_users_email" });
  });

  test("email_key of the database and emailKey of the service agree on every character that they change", async () => {
    const letters = Array.from({ length: 0x110000 - 1 }, (_, code) => code + 1)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      .filter((letter) => emailKey(letter) !== letter.normalize("NFC"));
    const text = "SELECT email_key(l) AS key FROM unnest($1::text[]) WITH ORDINALITY AS w (l, n) ORDER BY n";
    const rows = await database.sql<{ key: string }>(text, [letters]);
    expect(rows.map(({ key }) => key)).toEqual(letters.map(emailKey));
    expect(letters.length).toBeGreaterThan(1_000);
  });
});

test("the migration fails if it would make two e-mails equal, and its message names these users by id", () =>
  withDatabase("ENCODING 'UTF8' LOCALE 'C'", async (database) => {
    const target = targetOf(database);
    await migrateUp(target);
    let reverted = "";
    while (!reverted.endsWith("email-key")) [reverted = "email-key"] = await migrateDown(target);
    await insert(database, "ÄNNA@x.de");
    await insert(database, "änna@x.de");
    const ids = (await database.sql<{ id: string }>("SELECT id FROM users")).map(({ id }) => id);
    const error = await migrateUp(target).catch((error) => error);
    expect(error.message).toMatch(/email-key .*differ in case only/);
    for (const id of ids) expect(error.message).toContain(id);
    expect(error.message).not.toContain("nna@");
  }));

test("a pg_trgm that is installed in another schema is used for the search index", () =>
  withDatabase("", async (database) => {
    await database.sql("CREATE SCHEMA extensions");
    await database.sql("CREATE EXTENSION pg_trgm SCHEMA extensions");
    await migrateUp(targetOf(database));
    expect(await searchIndex(database)).toHaveLength(1);
  }));

test("without a schema public, the migrations succeed and create the search index", () =>
  withDatabase("", async (database) => {
    await database.sql("DROP SCHEMA public CASCADE");
    await migrateUp(targetOf(database));
    expect(await searchIndex(database)).toHaveLength(1);
  }));

describe("a role without the right CREATE on the database", () => {
  const role = `role_${crypto.randomUUID().slice(0, 8)}`;
  const asRole = (database: TestDatabase): Target => ({ ...targetOf(database), user: role, password: "app" });

  test("can migrate a schema that it owns, without the search index", () =>
    withDatabase("", async (database) => {
      await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'app'`);
      try {
        await database.sql(`CREATE SCHEMA user_service AUTHORIZATION ${role}`);
        await migrateUp(asRole(database));
        expect(await searchIndex(database)).toHaveLength(0);
        await insert(database, "ada@example.com");
      } finally {
        await database.sql("DROP SCHEMA user_service CASCADE");
        await database.sql(`DROP ROLE ${role}`);
      }
    }));

  test("is refused with PostgreSQL's message if the schema is missing", () =>
    withDatabase("", async (database) => {
      await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'app'`);
      try {
        const refused = { code: "42501", message: expect.stringContaining("permission denied for database") };
        await expect(migrateUp(asRole(database))).rejects.toMatchObject(refused);
      } finally {
        await database.sql(`DROP ROLE ${role}`);
      }
    }));
});

test("pendingMigrations fails with `permission denied` for a role without rights on the schema", () =>
  withDatabase("", async (database) => {
    await migrateUp(targetOf(database));
    const asRuntime = { ...targetOf(database), user: "runtime", password: "runtime" };
    const denied = { code: "42501", message: "permission denied for schema user_service" };
    await expect(pendingMigrations(asRuntime)).rejects.toMatchObject(denied);
  }));

test("a table `migrations` of another program in the schema public is not used", () =>
  withDatabase("", async (database) => {
    await database.sql("CREATE TABLE public.migrations (id INT PRIMARY KEY)");
    await migrateUp(targetOf(database));
    expect(await pendingMigrations(targetOf(database))).toEqual([]);
    expect(await database.sql("SELECT FROM public.migrations")).toEqual([]);
  }));

test("a migration waits for another one for longer than the statement_timeout of the database", () =>
  withDatabase("", async (database) => {
    await database.sql(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout TO 100', current_database()); END $$",
    );
    const other = await database.begin();
    await other.query("SELECT pg_advisory_xact_lock(8300301)");
    const migrated = migrateUp(targetOf(database));
    await setTimeout(300);
    await other.end();
    expect(await migrated).not.toEqual([]);
  }));

test("a database with an encoding other than UTF-8 is refused with one line", () =>
  withDatabase("ENCODING 'LATIN1' LOCALE 'C'", async (database) => {
    await expect(migrateUp(targetOf(database))).rejects.toThrow(/its encoding is LATIN1, and UTF8 is needed/);
  }));
