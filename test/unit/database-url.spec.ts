import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";

const databaseOf = (env: Record<string, string>) => readConfig(env).database;

test("DATABASE_URL sets host, port, name, user, password and TLS of the database", () => {
  const url = "postgres://anna:p%40ss%2F@db.example.org:5433/hiring?sslmode=require";
  expect(databaseOf({ DATABASE_URL: url })).toMatchObject({
    host: "db.example.org",
    port: 5433,
    name: "hiring",
    user: "anna",
    password: "p@ss/",
    ssl: { rejectUnauthorized: false },
  });
});

test.each([
  ["postgresql://db", { host: "db", port: 5432, name: "ai_video_interview", user: "postgres" }],
  ["postgres://[::1]:5433/", { host: "::1", port: 5433 }],
  ["postgres://%2Fvar%2Frun%2Fpostgresql/x", { host: "/var/run/postgresql", name: "x" }],
])("DATABASE_URL may be %s, and parts that it omits have their defaults", (DATABASE_URL, parts) => {
  expect(databaseOf({ DATABASE_URL })).toMatchObject(parts);
});

test("a part that DATABASE_URL omits can be set by its own variable", () => {
  const env = { DATABASE_URL: "postgres://anna@db/hiring", DATABASE_PASSWORD: "hunter2" };
  expect(databaseOf(env)).toMatchObject({ host: "db", user: "anna", password: "hunter2" });
});

test("a part of DATABASE_URL is checked like its own variable, and the message names that variable", () => {
  expect(() => databaseOf({ DATABASE_URL: "postgres://db/x?sslmode=prefer" })).toThrow(
    /^DATABASE_SSL_MODE: "prefer" is not valid/,
  );
});

test("a variable is refused if DATABASE_URL also contains that part", () => {
  expect(() => databaseOf({ DATABASE_URL: "postgres://db/x", DATABASE_HOST: "other" })).toThrow(
    /^DATABASE_HOST: is set, and DATABASE_URL contains it too/,
  );
});

describe("DATABASE_URL is refused, and the message does not show it,", () => {
  test.each([
    ["another scheme", "mysql://anna:hunter2@db/x"],
    ["no host", "postgres:///x"],
    ["an invalid port", "postgres://anna:hunter2@db:99999/x"],
    ["a parameter that has no variable", "postgres://anna:hunter2@db/x?sslcrl=file"],
    ["an invalid percent-encoding", "postgres://anna:hunter2%@db/x"],
    ["no address", "db"],
  ])("with %s", (_, DATABASE_URL) => {
    const refused = () => databaseOf({ DATABASE_URL });
    expect(refused).toThrow(/^DATABASE_URL: its value is not valid; allowed: an address such as postgres:/);
    expect(refused).not.toThrow(/hunter2/);
  });
});

describe("DATABASE_READ_URL", () => {
  const primary = {
    DATABASE_URL: "postgres://anna:hunter2@db:5433/hiring?sslmode=require",
    DATABASE_POOL_MAX: "20",
  };

  test("names a replica, which uses the user, database and TLS of the primary by default", () => {
    const { replica, ...database } = databaseOf({ ...primary, DATABASE_READ_URL: "postgres://replica" });
    expect(replica).toMatchObject({
      host: "replica",
      port: 5433,
      name: "hiring",
      user: "anna",
      password: "hunter2",
      ssl: { rejectUnauthorized: false },
    });
    expect(database).toMatchObject({ host: "db", poolMax: 20 });
  });

  test("may name another user, database and TLS mode", () => {
    const DATABASE_READ_URL = "postgres://reader:secret@replica:6432/other?sslmode=disable";
    expect(databaseOf({ ...primary, DATABASE_READ_URL }).replica).toEqual({
      host: "replica",
      port: 6432,
      name: "other",
      user: "reader",
      password: "secret",
      ssl: false,
    });
  });

  test("is optional", () => {
    expect(databaseOf(primary).replica).toBeUndefined();
    expect(readConfig({ ...primary, DATABASE_READ_URL: "" }).readsReplica).toBe(false);
  });

  test("makes only nodes with users read from the replica", () => {
    const env = { ...primary, DATABASE_READ_URL: "postgres://replica" };
    expect(readConfig(env).readsReplica).toBe(true);
    expect(readConfig({ ...env, SERVICES: "api,stats" }).readsReplica).toBe(false);
  });

  test("is refused without DATABASE_HOST, and with an invalid part", () => {
    expect(() => databaseOf({ DATABASE_READ_URL: "postgres://replica" })).toThrow(
      /^DATABASE_HOST: is not set, although DATABASE_READ_URL is;/,
    );
    const invalid = { ...primary, DATABASE_READ_URL: "postgres://anna:hunter2@replica?sslmode=prefer" };
    expect(() => databaseOf(invalid)).toThrow(/^DATABASE_SSL_MODE: "prefer" is not valid/);
  });
});
