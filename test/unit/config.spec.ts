import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { readConfig } from "../../lib/config/config.ts";
import { faultOf, PRODUCTION } from "../helpers/environment.ts";

test("without an environment, each variable has its default", () => {
  expect(readConfig({})).toMatchObject({
    production: false,
    services: ["api", "users", "stats", "avatars", "identities", "outbox", "ingest"],
    needsDatabase: true,
    nodeID: undefined,
    namespace: "",
    port: 3003,
    metricsPort: 3030,
    metricsUsersMax: 1000,
    publicUrl: "http://localhost:3003",
    dataDir: ".data",
    logLevel: "debug",
    database: {
      host: undefined,
      port: 5432,
      name: "ai_video_interview",
      user: "postgres",
      password: "postgres",
      schema: "user_service",
      ssl: false,
      poolMax: 10,
    },
    kafka: undefined,
    auth: { issuer: undefined, audiences: ["user-service"], internalToken: undefined },
  });
});

test("an empty value counts as not set", () => {
  const names =
    "PORT NODE_ENV DATABASE_URL DATABASE_HOST DATABASE_PORT DATABASE_NAME DATABASE_USER DATABASE_PASSWORD DATABASE_SCHEMA DATABASE_SSL DATABASE_SSL_MODE DATABASE_SSL_CA DATABASE_SSL_CERT DATABASE_SSL_KEY DATABASE_POOL_MAX DATABASE_POOLER MINIO_ENDPOINT MINIO_PORT MINIO_ACCESS_KEY MINIO_SECRET_KEY MINIO_BUCKET MINIO_REGION MINIO_USE_SSL KAFKA_BROKERS KAFKA_CLIENT_ID KAFKA_GROUP_ID KAFKA_SSL KAFKA_SASL_MECHANISM KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD LOG_LEVEL LOKI_HOST JAEGER_ENDPOINT TRACE_SAMPLE AUTH_ISSUER AUTH_JWKS_URL AUTH_AUDIENCE INTERNAL_TOKEN METRICS_PORT METRICS_USERS_MAX PUBLIC_URL DATA_DIR SERVICES NODEID NAMESPACE";
  const empty = Object.fromEntries(names.split(" ").map((name) => [name, ""]));
  expect(readConfig(empty)).toEqual(readConfig({}));
});

test.each([
  { kind: "text", name: "INTERNAL_TOKEN", value: "x".repeat(32) },
  { kind: "secret", name: "DATABASE_PASSWORD", value: "hunter2" },
  { kind: "integer", name: "PORT", value: "8080" },
  { kind: "flag", name: "DATABASE_SSL", value: "true" },
  { kind: "choice", name: "LOG_LEVEL", value: "warn" },
  { kind: "host", name: "DATABASE_HOST", value: "db" },
  { kind: "list", name: "KAFKA_BROKERS", value: "a:1,b:2" },
  { kind: "address", name: "AUTH_ISSUER", value: "https://idp/realms/a" },
])("$name ($kind) is trimmed", ({ name, value }) => {
  for (const padded of [`${value}\n`, `  ${value}\r\n`, `\t${value} `])
    expect(readConfig({ [name]: padded })).toEqual(readConfig({ [name]: value }));
  expect(readConfig({ [name]: " \n" })).toEqual(readConfig({}));
});

test("KAFKA_BROKERS may be IPv6 addresses", () => {
  expect(readConfig({ KAFKA_BROKERS: "[::1]:9092,b:9093" }).kafka).toMatchObject({
    brokers: ["[::1]:9092", "b:9093"],
  });
});

test("AUTH_AUDIENCE is a list", () => {
  expect(readConfig({ AUTH_AUDIENCE: "user-service, account" }).auth.audiences).toEqual([
    "user-service",
    "account",
  ]);
});

test.each(["db", "db.example.org", "my_db-1", "10.0.0.1", "::1", "fe80::1%eth0", "/var/run/postgresql"])(
  "DATABASE_HOST may be %s",
  (host) => expect(readConfig({ DATABASE_HOST: host }).database.host).toBe(host),
);

test("a stopping gateway accepts connections for another 3 s in production, or for HTTP_STOP_NOTICE_SECONDS", () => {
  expect(readConfig({}).http.stopNoticeMs).toBe(0);
  expect(readConfig(PRODUCTION).http.stopNoticeMs).toBe(3_000);
  for (const env of [{}, PRODUCTION])
    expect(readConfig({ ...env, HTTP_STOP_NOTICE_SECONDS: "1" }).http.stopNoticeMs).toBe(1_000);
});

test.each(["development", "test"])("NODE_ENV=%s is not production", (NODE_ENV) => {
  expect(readConfig({ NODE_ENV }).production).toBe(false);
});

test("PUBLIC_URL is derived from PORT, unless it is set", () => {
  expect(readConfig({ PORT: "8080" }).publicUrl).toBe("http://localhost:8080");
  expect(readConfig({ PORT: "8080", PUBLIC_URL: "https://users.example" }).publicUrl).toBe(
    "https://users.example",
  );
});

test("AUTH_JWKS_URL is derived from AUTH_ISSUER, unless it is set", () => {
  const AUTH_ISSUER = "http://localhost:8080/realms/ai-video-interview";
  expect(readConfig({ AUTH_ISSUER }).auth.jwksUrl).toBe(`${AUTH_ISSUER}/protocol/openid-connect/certs`);
  expect(readConfig({ AUTH_ISSUER, AUTH_JWKS_URL: "http://kc/jwks" }).auth.jwksUrl).toBe("http://kc/jwks");
});

test("the configuration holds the values that were set", () => {
  const config = readConfig({
    ...PRODUCTION,
    DATABASE_PORT: "5433",
    DATABASE_SSL: "true",
    DATABASE_POOL_MAX: "20",
    KAFKA_BROKERS: "a:9092, b:9093",
    LOG_LEVEL: "warn",
    METRICS_PORT: "1",
    NODEID: "node-1",
    NAMESPACE: "staging",
  });
  expect(config).toMatchObject({
    production: true,
    database: { host: "db", port: 5433, ssl: { rejectUnauthorized: true }, poolMax: 20 },
    kafka: { brokers: ["a:9092", "b:9093"] },
    logLevel: "warn",
    metricsPort: 1,
    nodeID: "node-1",
    namespace: "staging",
  });
});

test("KAFKA_SASL_MECHANISM requires a user name and a password", () => {
  const env = { KAFKA_BROKERS: "k:9092", KAFKA_SASL_MECHANISM: "scram-sha-512", KAFKA_SSL: "true" };
  expect(faultOf(env)).toMatch(/^KAFKA_SASL_USERNAME: [^\n]+$/);
  expect(faultOf({ ...env, KAFKA_SASL_USERNAME: "u" })).toMatch(/^KAFKA_SASL_PASSWORD: [^\n]+$/);
  const { kafka } = readConfig({ ...env, KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" });
  expect(kafka).toMatchObject({
    ssl: {},
    sasl: { mechanism: "scram-sha-512", username: "u", password: "p" },
  });
});

test("KEYCLOAK_ADMIN_CLIENT_ID requires its secret and the address of a Keycloak realm", () => {
  const issuer = { AUTH_ISSUER: "https://id.example.com/auth/realms/hiring" };
  const env = { KEYCLOAK_ADMIN_CLIENT_ID: "mirror", KEYCLOAK_ADMIN_CLIENT_SECRET: "a-secret" };
  expect(faultOf({ ...issuer, KEYCLOAK_ADMIN_CLIENT_ID: "mirror" })).toMatch(
    /^KEYCLOAK_ADMIN_CLIENT_SECRET: /,
  );
  expect(faultOf(env)).toMatch(/^AUTH_ISSUER: is not set/);
  expect(faultOf({ ...env, AUTH_ISSUER: "https://id.example.com" })).toMatch(/^AUTH_ISSUER: [^\n]+$/);
  expect(readConfig({ ...issuer, ...env }).keycloak).toMatchObject({
    url: "https://id.example.com/auth",
    realm: "hiring",
    clientId: "mirror",
    clientSecret: "a-secret",
    syncMs: 60_000,
  });
  const inside = { AUTH_JWKS_URL: "http://keycloak:8080/realms/hiring/protocol/openid-connect/certs" };
  expect(readConfig({ ...issuer, ...inside, ...env }).keycloak).toMatchObject({
    url: "http://keycloak:8080",
  });
});

test("without its variables, no token creates a user, no topic of Keycloak is read, and Keycloak is not followed", () => {
  const off = { usersAutoCreate: false, keycloakTopics: [], keycloak: undefined };
  expect(readConfig({ AUTH_ISSUER: "https://id.example.com/auth/realms/hiring" })).toMatchObject(off);
});

test("KAFKA_SASL_MECHANISM=oauthbearer requires the token endpoint too", () => {
  const client = { KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" };
  const env = { KAFKA_BROKERS: "k:9092", KAFKA_SASL_MECHANISM: "oauthbearer", ...client };
  expect(faultOf(env)).toMatch(/^KAFKA_SASL_TOKEN_URL: [^\n]+$/);
  const { kafka } = readConfig({ ...env, KAFKA_SASL_TOKEN_URL: "https://idp/token" });
  expect(kafka).toMatchObject({ sasl: { mechanism: "oauthbearer", tokenUrl: "https://idp/token" } });
});

test("KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY are files; a certificate requires its key", () => {
  const path = join(mkdtempSync(join(tmpdir(), "config-")), "a.pem");
  writeFileSync(path, "-----BEGIN A-----\n");
  const env = { KAFKA_BROKERS: "k:9092", KAFKA_SSL: "true", KAFKA_SSL_CA: path };
  expect(readConfig(env).kafka).toMatchObject({ ssl: { ca: "-----BEGIN A-----\n" } });
  expect(faultOf({ ...env, KAFKA_SSL_CERT: path })).toMatch(/^KAFKA_SSL_KEY: [^\n]+$/);
  expect(readConfig({ ...env, KAFKA_SSL_CERT: path, KAFKA_SSL_KEY: path }).kafka).toMatchObject({
    ssl: { cert: "-----BEGIN A-----\n", key: "-----BEGIN A-----\n" },
  });
});

test("the path of JAEGER_ENDPOINT selects the protocol; without it, nothing is traced", () => {
  expect(readConfig({}).tracing).toBeUndefined();
  const thrift = "http://jaeger:14268/api/traces";
  expect(readConfig({ JAEGER_ENDPOINT: thrift }).tracing).toEqual({
    endpoint: thrift,
    form: "/api/traces",
    sample: 1,
  });
  const otlp = "https://collector/v1/traces";
  expect(readConfig({ JAEGER_ENDPOINT: otlp, TRACE_SAMPLE: "0.01" }).tracing).toEqual({
    endpoint: otlp,
    form: "/v1/traces",
    sample: 0.01,
  });
});

test.each(["users", "stats", "avatars", "identities", "outbox", "ingest"])(
  "a node with %s needs the database",
  (name) => {
    expect(readConfig({ SERVICES: name }).needsDatabase).toBe(true);
  },
);

test("the configuration is frozen", () => {
  const config = readConfig({});
  for (const part of [config, config.database, config.auth]) expect(Object.isFrozen(part)).toBe(true);
});
