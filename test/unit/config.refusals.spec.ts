import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { checkParts, type Part } from "../../lib/config/production.ts";
import { faultOf, PRODUCTION } from "../helpers/environment.ts";

/** The configurations that a node refuses (contract 8). */

describe("an invalid value is reported in one line with the variable, the value and what is allowed", () => {
  test.each([
    ["PORT", "0", "1 to 65535"],
    ["PORT", "65536", "1 to 65535"],
    ["PORT", "http", "1 to 65535"],
    ["PORT", "3003.5", "1 to 65535"],
    ["METRICS_PORT", "-1", "1 to 65535"],
    ["DATABASE_PORT", "five", "1 to 65535"],
    ["DATABASE_SSL", "maybe", "true or false"],
    ["DATABASE_SSL_MODE", "prefer", "disable, require, verify-ca, verify-full"],
    ["DATABASE_SSL_CA", "/nowhere/ca.crt", "PEM file"],
    ["DATABASE_SSL_KEY", "package.json", "PEM file"],
    ["DATABASE_POOL_MAX", "0", "integer"],
    ["DATABASE_POOLER", "statement", "session, transaction"],
    ["DATABASE_SCHEMA", "user-service; DROP", "lower-case letters"],
    ["METRICS_USERS_MAX", "-1", "integer"],
    ["LOG_LEVEL", "loud", "trace, debug, info, warn, error, fatal"],
    ["KAFKA_BROKERS", "localhost", "host:port"],
    ["KAFKA_BROKERS", "a:9092,,b:9092", "host:port"],
    ["KAFKA_BROKERS", "::1:9092", "host:port"],
    ["KAFKA_BROKERS", "[::1]", "host:port"],
    ["AUTH_ISSUER", "keycloak", "http"],
    ["AUTH_ISSUER", "ftp://keycloak", "http"],
    ["AUTH_JWKS_URL", "::", "http"],
    ["PUBLIC_URL", "localhost:3003", "http"],
    ["JAEGER_ENDPOINT", "http://jaeger:14268", "/api/traces"],
    ["JAEGER_ENDPOINT", "http://jaeger:14268/api/traces/v1/traces", "/v1/traces"],
    ["TRACE_SAMPLE", "1.5", "from 0 to 1"],
    ["TRACE_SAMPLE", "all", "from 0 to 1"],
    ["SERVICES", "api,nothing", "api, users, stats, avatars, identities, outbox, ingest"],
    ["SERVICES", "api,", "api, users, stats, avatars, identities, outbox, ingest"],
    ["NODE_ENV", "Production", "production, development, test"],
    ["NODE_ENV", "prod", "production, development, test"],
    ["DATABASE_HOST", "db:5432", "host name"],
    ["DATABASE_HOST", "postgres://db/x", "host name"],
    ["DATABASE_HOST", "db/x", "host name"],
    ["MINIO_ENDPOINT", "http://127.0.0.1:9000", "host name"],
    ["MINIO_ENDPOINT", "minio:9000", "host name"],
    ["MINIO_ENDPOINT", "/var/run/minio", "host name"],
    ["MINIO_PREFIX", "users", "a slash after it"],
    ["MINIO_PREFIX", "/users/", "a slash after it"],
    ["MINIO_PREFIX", "users//", "a slash after it"],
    ["KAFKA_BROKERS", "kafka://kafka:9092", "host:port"],
    ["NAMESPACE", "prod.eu", "at most 64 letters"],
    ["NAMESPACE", "prod eu", "at most 64 letters"],
    ["NAMESPACE", "x".repeat(65), "at most 64 letters"],
    ["NODEID", "node 1", "at most 128 letters"],
    ["NODEID", "knöten", "at most 128 letters"],
    ["NODEID", "node/1", "at most 128 letters"],
    ["NODEID", "x".repeat(129), "at most 128 letters"],
    ["AUTH_AUDIENCE", "a,,b", "separated by commas"],
  ])("%s=%s", (name, value, allowed) => {
    const message = faultOf({ [name]: value });
    expect(message).toMatch(new RegExp(`^${name}: `));
    expect(message).toContain(value);
    expect(message).toContain(allowed);
    expect(message).not.toContain("\n");
  });

  test.each([
    ["MINIO_PORT", "x"],
    ["MINIO_USE_SSL", "maybe"],
    ["KAFKA_SSL", "maybe"],
    ["KAFKA_SASL_MECHANISM", "none"],
    ["LOKI_HOST", "loki"],
    ["JAEGER_ENDPOINT", "jaeger"],
  ])("%s=%s (external servers)", (name, value) => {
    expect(faultOf({ [name]: value })).toMatch(new RegExp(`^${name}: [^\n]+$`));
  });

  test("also if the value contains a line break", () => {
    expect(faultOf({ LOG_LEVEL: "info\nPORT: all is well" })).not.toContain("\n");
  });
});

test("the message never contains the value of a secret", () => {
  const message = faultOf({ INTERNAL_TOKEN: "hunter2" });
  expect(message).toMatch(/^INTERNAL_TOKEN: .*at least 32 characters/);
  expect(message).not.toContain("hunter2");
});

test("the message never contains the password of a URL", () => {
  const message = faultOf({ DATABASE_HOST: "postgres://anna:p@ss@db:5432/x" });
  expect(message).toMatch(/^DATABASE_HOST: .*postgres:\/\/\*\*\*@db:5432/);
  expect(message).not.toMatch(/anna|p@ss/);
});

describe("with NODE_ENV=production", () => {
  test.each(Object.keys(PRODUCTION).filter((name) => name !== "NODE_ENV"))(
    "the start is refused without %s, and the message names it",
    (name) => {
      expect(faultOf({ ...PRODUCTION, [name]: "" })).toMatch(
        new RegExp(`^${name}: (is not set|has its default value)[^\n]*$`),
      );
    },
  );

  test.each([
    { name: "DATABASE_PASSWORD", value: "postgres" },
    { name: "MINIO_SECRET_KEY", value: "minioadmin123" },
    { name: "MINIO_SECRET_KEY", value: "minioadmin123\n" },
  ])("the start is refused if $name has its default value, and the message names it", ({ name, value }) => {
    const message = faultOf({ ...PRODUCTION, [name]: value });
    expect(message).toMatch(new RegExp(`^${name}: has its default value[^\n]*$`));
    expect(message).not.toContain(value.trim());
  });

  test("the start succeeds if all variables are set", () => {
    expect(readConfig(PRODUCTION).production).toBe(true);
    expect(() => checkParts(PRODUCTION, readConfig(PRODUCTION).parts)).not.toThrow();
  });

  test.each([
    ["a node with users", "users", "database,addresses,kafka"],
    ["a node with avatars", "avatars", "database,avatars,addresses,kafka"],
    ["a node with api alone", "api", "kafka,api"],
  ])("%s (SERVICES=%s) uses the parts %s", (_, SERVICES, parts) => {
    expect(readConfig({ SERVICES }).parts).toEqual(parts.split(","));
  });

  test.each<[Part, string]>([
    ["kafka", "KAFKA_BROKERS NAMESPACE"],
    ["database", "DATABASE_HOST DATABASE_PASSWORD"],
    ["avatars", "MINIO_ENDPOINT MINIO_SECRET_KEY"],
    ["addresses", "PUBLIC_URL"],
    ["api", "AUTH_ISSUER INTERNAL_TOKEN"],
  ])("a process that uses only %s needs only %s", (part, names) => {
    const needed = Object.entries(PRODUCTION).filter(([name]) => names.split(" ").includes(name));
    const env = { NODE_ENV: "production", ...Object.fromEntries(needed) };
    expect(() => checkParts(env, [part])).not.toThrow();
  });

  test("a node with a role needs no MINIO_SECRET_KEY", () => {
    const env = { ...PRODUCTION, MINIO_SECRET_KEY: "", MINIO_USE_IAM: "true" };
    expect(() => checkParts(env, readConfig(env).parts)).not.toThrow();
  });
});
