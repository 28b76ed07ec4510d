import { ConfigError } from "./config-error.ts";
import { readSecret } from "./secret-file.ts";
import {
  databaseUrl,
  flag,
  fraction,
  host,
  integer,
  listOf,
  oneOf,
  pemFile,
  port,
  secret,
  text,
  url,
  type Variable,
} from "./variables.ts";

/** The services that a node can run, as named in SERVICES (contract 8). */
export const SERVICE_NAMES = ["api", "users", "stats", "avatars", "identities", "outbox", "ingest"] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** Every variable that the service reads, with its default and the values it may have (contract 8). */
export const VARIABLES = {
  PORT: port(3003),
  NODE_ENV: oneOf(["production", "development", "test"], "development"),
  DATABASE_URL: databaseUrl(),
  DATABASE_READ_URL: databaseUrl(),
  DATABASE_HOST: host({ sockets: true }),
  DATABASE_PORT: port(5432),
  DATABASE_NAME: text("ai_video_interview"),
  DATABASE_USER: text("postgres"),
  DATABASE_PASSWORD: secret("postgres"),
  DATABASE_SCHEMA: text("user_service", {
    pattern: /^[a-z_][a-z0-9_]{0,62}$/,
    allowed: "lower-case letters, digits and _",
  }),
  DATABASE_SSL: flag(),
  DATABASE_SSL_MODE: oneOf(["disable", "require", "verify-ca", "verify-full"]),
  DATABASE_SSL_CA: pemFile(),
  DATABASE_SSL_CERT: pemFile(),
  DATABASE_SSL_KEY: pemFile(),
  DATABASE_POOL_MAX: integer(10, 2, 1000),
  DATABASE_POOLER: oneOf(["session", "transaction"], "session"),
  MINIO_ENDPOINT: host(),
  MINIO_PORT: port(9000),
  MINIO_ACCESS_KEY: text("minioadmin"),
  MINIO_SECRET_KEY: secret("minioadmin123"),
  MINIO_SESSION_TOKEN: secret(),
  MINIO_USE_IAM: flag(),
  MINIO_BUCKET: text("avatars", {
    pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    allowed: "3 to 63 lower-case letters, digits, dots and hyphens",
  }),
  MINIO_PREFIX: text("", { pattern: /^([\w-][\w.-]*\/)+$/, allowed: "names, each with a slash after it" }),
  MINIO_REGION: text(),
  MINIO_USE_SSL: flag(),
  MINIO_PATH_STYLE: flag(true),
  KAFKA_BROKERS: listOf(
    text(undefined, { pattern: /^(\[[\da-fA-F:.]+\]|[^\s:,/[\]]+):\d{1,5}$/, allowed: "host:port" }),
  ),
  KAFKA_CLIENT_ID: text("user-service"),
  KAFKA_GROUP_ID: text("user-service-group"),
  KAFKA_SSL: flag(),
  KAFKA_SSL_CA: pemFile(),
  KAFKA_SSL_CERT: pemFile(),
  KAFKA_SSL_KEY: pemFile(),
  KAFKA_SASL_MECHANISM: oneOf(["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"]),
  KAFKA_SASL_USERNAME: text(),
  KAFKA_SASL_PASSWORD: secret(),
  KAFKA_SASL_TOKEN_URL: url(),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "fatal"], "debug"),
  LOKI_HOST: url(),
  JAEGER_ENDPOINT: text(undefined, {
    pattern: /^https?:\/\/[^/?#]+(\/api\/traces|\/v1\/traces)$/,
    allowed: "an http or https address with the path /api/traces (Jaeger's Thrift) or /v1/traces (OTLP)",
  }),
  TRACE_SAMPLE: fraction(1),
  AUTH_ISSUER: url(),
  AUTH_JWKS_URL: url(),
  AUTH_AUDIENCE: listOf(text(undefined, { pattern: /./, allowed: "audiences" }), ["user-service"]),
  INTERNAL_TOKEN: secret(undefined, { pattern: /^.{32,}$/su, allowed: "at least 32 characters" }),
  METRICS_PORT: port(3030),
  METRICS_USERS_MAX: integer(1000, 0, 1_000_000),
  PUBLIC_URL: url(),
  DATA_DIR: text(".data"),
  SERVICES: listOf({ ...oneOf(SERVICE_NAMES), allowed: SERVICE_NAMES.join(", ") }),
  // Both are part of the names of Moleculer's Kafka topics: `MOL-namespace.command.node`, at most 249 characters
  NODEID: text(undefined, {
    pattern: /^[\w.-]{1,128}$/,
    allowed: "at most 128 letters (a-z), digits, dots, hyphens and _",
  }),
  NAMESPACE: text(undefined, {
    pattern: /^[\w-]{1,64}$/,
    allowed: "at most 64 letters (a-z), digits, hyphens and _",
  }),
  HTTP_MAX_HEADER_SIZE: integer(32_768, 8_192, 1_048_576),
  HTTP_KEEP_ALIVE_SECONDS: integer(65, 1, 3600),
  HTTP_STOP_NOTICE_SECONDS: integer(undefined, 0, 5),
  USERS_AUTO_CREATE: flag(),
  USER_CACHE_SECONDS: integer(undefined, 0, 3600),
  HISTORY_KEEP_DAYS: integer(0, 0, 36_500),
  RESTORE_WITHIN_DAYS: integer(30, 0, 36_500),
  ERASE_AFTER_DAYS: integer(30, 0, 36_500),
  ERASURE_PARTIES: listOf(text(undefined, { pattern: /^.{1,100}$/, allowed: "names of services" }), []),
  KEYCLOAK_EVENTS_TOPICS: listOf(
    text(undefined, { pattern: /^[\w.-]{1,245}$/, allowed: "names of topics" }), // the name of its dead-letter topic is longer
    [],
  ),
  KEYCLOAK_ADMIN_CLIENT_ID: text(),
  KEYCLOAK_ADMIN_CLIENT_SECRET: secret(),
  IDENTITY_SYNC_SECONDS: integer(60, 1, 86_400),
};

type Variables = typeof VARIABLES;

/** The checked environment; a variable that is not set and has no default is undefined. */
export type Values = { [Name in keyof Variables]: Variables[Name]["fallback"] };

/**
 * Reads the environment, and the files that hold secrets. Values are trimmed; an empty one counts as not set.
 * @throws ConfigError for the first variable that is not valid, or whose file cannot be read
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Values {
  const parts = read(env, "DATABASE_URL", VARIABLES.DATABASE_URL) ?? {};
  for (const name of Object.keys(parts))
    if (env[name]?.trim())
      throw new ConfigError(`${name}: is set, and DATABASE_URL contains it too; allowed: one of them`);
  const whole = { ...env, ...parts };
  const entries = Object.entries<Variable<unknown>>(VARIABLES);
  return Object.fromEntries(entries.map(([name, variable]) => [name, read(whole, name, variable)])) as Values;
}

/**
 * The values for another server: those that its address contains in place of the others.
 * @throws ConfigError for a part of the address that is not valid
 */
export function withParts(values: Values, parts: Record<string, string>): Values {
  const entries = Object.entries<Variable<unknown>>(VARIABLES).filter(([name]) => name in parts);
  return Object.assign(
    { ...values },
    ...entries.map(([name, variable]) => ({ [name]: read(parts, name, variable) })),
  );
}

function read<Value>(env: NodeJS.ProcessEnv, name: string, variable: Variable<Value>): Value {
  const text = variable.secret ? readSecret(env, name) : env[name]?.trim();
  if (!text) return variable.fallback;
  const value = variable.parse(text);
  if (value !== undefined) return value;
  throw new ConfigError(`${name}: ${shown(text, variable)} is not valid; allowed: ${variable.allowed}`);
}

/** A value as a message may show it: on one line, without secrets, also inside an address. */
const shown = (text: string, { secret }: Variable<unknown>): string =>
  secret ? "its value" : JSON.stringify(text.replace(/\/\/.*@/s, "//***@"));

/** @throws ConfigError for the first of these variables that is not set, although `because` */
export function demand(values: Values, because: string, ...names: (keyof Values)[]): void {
  for (const name of names)
    if (values[name] === undefined)
      throw new ConfigError(`${name}: is not set, although ${because}; allowed: ${VARIABLES[name].allowed}`);
}

/** @throws ConfigError if this variable has its default, which everybody knows, although `because` */
export function refuseDefault(values: Values, because: string, name: keyof Values): void {
  if (values[name] === VARIABLES[name].fallback)
    throw new ConfigError(
      `${name}: has its default value, although ${because}; allowed: a secret of your own`,
    );
}
