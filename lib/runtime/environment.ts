import { VALIDATOR_OPTIONS, Validator } from "../contract/validator.ts";

/** The services a node can run, by the names that SERVICES takes (SPEC 8). */
export const SERVICE_NAMES = ["api", "users", "stats", "avatars", "outbox", "ingest"] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** A fault in the environment: `message` is the one line shown to the operator. */
export class ConfigError extends Error {}

type Variable = { allowed: string; secret?: true; type: string; [rule: string]: unknown };

const text = (fallback?: string): Variable => ({
  type: "string",
  ...(fallback === undefined ? { optional: true } : { default: fallback }),
  allowed: "a text",
});
const secret = (fallback?: string): Variable => ({ ...text(fallback), secret: true });
const integer = (fallback: number, min: number, max: number): Variable => ({
  type: "number",
  convert: true,
  integer: true,
  min,
  max,
  default: fallback,
  allowed: `an integer from ${min} to ${max}`,
});
const port = (fallback: number) => integer(fallback, 1, 65_535);
const flag = (): Variable => ({
  type: "boolean",
  convert: true,
  default: false,
  allowed: "true or false",
});
const oneOf = (values: readonly string[], fallback?: string): Variable => ({
  type: "enum",
  values,
  ...(fallback === undefined ? { optional: true } : { default: fallback }),
  allowed: `one of ${values.join(", ")}`,
});
const url = (): Variable => ({
  type: "string",
  optional: true,
  custom: (value: string | undefined, errors: { type: string }[]) => {
    if (value !== undefined && !/^https?:$/.test(URL.parse(value)?.protocol ?? ""))
      errors.push({ type: "url" });
    return value?.replace(/\/+$/, "");
  },
  allowed: "an http or https address",
});
const URL_OF_TRACES = /^https?:\/\/[^/?#]+(\/api\/traces|\/v1\/traces)$/;
const fraction = (fallback: number): Variable => ({
  type: "number",
  convert: true,
  min: 0,
  max: 1,
  default: fallback,
  allowed: "a number from 0 to 1",
});
const listOf = (pattern: RegExp, allowed: string): Variable => ({
  type: "string",
  optional: true,
  custom: (value: string | undefined, errors: { type: string }[]) => {
    const items = value?.split(",").map((item) => item.trim());
    if (items?.some((item) => !pattern.test(item))) errors.push({ type: "list" });
    return items;
  },
  allowed,
});

/** Every variable that the service reads, with its default and what it may be (SPEC 8). */
const VARIABLES: Record<string, Variable> = {
  PORT: port(3003),
  NODE_ENV: text("development"),
  DATABASE_HOST: text(),
  DATABASE_PORT: port(5432),
  DATABASE_NAME: text("ai_video_interview"),
  DATABASE_USER: text("postgres"),
  DATABASE_PASSWORD: secret("postgres"),
  DATABASE_SCHEMA: {
    ...text("user_service"),
    pattern: /^[a-z_][a-z0-9_]{0,62}$/,
    allowed: "lower-case letters, digits and _",
  },
  DATABASE_SSL: flag(),
  DATABASE_POOL_MAX: integer(10, 2, 1000),
  MINIO_ENDPOINT: text(),
  MINIO_PORT: port(9000),
  MINIO_ACCESS_KEY: text("minioadmin"),
  MINIO_SECRET_KEY: secret("minioadmin123"),
  MINIO_BUCKET: {
    ...text("avatars"),
    pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    allowed: "3 to 63 lower-case letters, digits, dots and hyphens",
  },
  MINIO_USE_SSL: flag(),
  KAFKA_BROKERS: listOf(/^[^\s:,]+:\d{1,5}$/, "a list of host:port, separated by commas"),
  KAFKA_CLIENT_ID: text("user-service"),
  KAFKA_GROUP_ID: text("user-service-group"),
  KAFKA_SSL: flag(),
  KAFKA_SASL_MECHANISM: oneOf(["plain", "scram-sha-256", "scram-sha-512"]),
  KAFKA_SASL_USERNAME: text(),
  KAFKA_SASL_PASSWORD: secret(),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "fatal"], "debug"),
  LOKI_HOST: url(),
  JAEGER_ENDPOINT: {
    ...text(),
    pattern: URL_OF_TRACES,
    allowed: "an http or https address with the path /api/traces (Jaeger's Thrift) or /v1/traces (OTLP)",
  },
  TRACE_SAMPLE: fraction(1),
  AUTH_ISSUER: url(),
  AUTH_JWKS_URL: url(),
  AUTH_AUDIENCE: text("user-service"),
  INTERNAL_TOKEN: {
    ...secret(),
    min: 32,
    allowed: "at least 32 characters",
  },
  METRICS_PORT: port(3030),
  METRICS_USERS_MAX: integer(1000, 0, 1_000_000),
  PUBLIC_URL: url(),
  DATA_DIR: text(".data"),
  SERVICES: listOf(
    new RegExp(`^(${SERVICE_NAMES.join("|")})$`),
    `a list of ${SERVICE_NAMES.join(", ")}, separated by commas`,
  ),
  NODEID: text(),
  NAMESPACE: text(""),
  USER_CACHE_SECONDS: { ...integer(60, 0, 3600), default: undefined, optional: true },
};

/** The environment, checked; what is not set and has no default is undefined. */
export type Values = {
  PORT: number;
  NODE_ENV: string;
  DATABASE_HOST?: string;
  DATABASE_PORT: number;
  DATABASE_NAME: string;
  DATABASE_USER: string;
  DATABASE_PASSWORD: string;
  DATABASE_SCHEMA: string;
  DATABASE_SSL: boolean;
  DATABASE_POOL_MAX: number;
  MINIO_ENDPOINT?: string;
  MINIO_PORT: number;
  MINIO_ACCESS_KEY: string;
  MINIO_SECRET_KEY: string;
  MINIO_BUCKET: string;
  MINIO_USE_SSL: boolean;
  KAFKA_BROKERS?: string[];
  KAFKA_CLIENT_ID: string;
  KAFKA_GROUP_ID: string;
  KAFKA_SSL: boolean;
  KAFKA_SASL_MECHANISM?: "plain" | "scram-sha-256" | "scram-sha-512";
  KAFKA_SASL_USERNAME?: string;
  KAFKA_SASL_PASSWORD?: string;
  LOG_LEVEL: string;
  LOKI_HOST?: string;
  JAEGER_ENDPOINT?: string;
  TRACE_SAMPLE: number;
  AUTH_ISSUER?: string;
  AUTH_JWKS_URL?: string;
  AUTH_AUDIENCE: string;
  INTERNAL_TOKEN?: string;
  METRICS_PORT: number;
  METRICS_USERS_MAX: number;
  PUBLIC_URL?: string;
  DATA_DIR: string;
  SERVICES?: ServiceName[];
  NODEID?: string;
  NAMESPACE: string;
  USER_CACHE_SECONDS?: number;
};

/** @throws ConfigError for the first variable that is not valid */
export function readEnvironment(env: NodeJS.ProcessEnv): Values {
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(VARIABLES)) if (env[name]) given[name] = env[name];
  const check = new Validator(VALIDATOR_OPTIONS).compile(VARIABLES);
  const errors = check(given);
  if (Array.isArray(errors) && errors[0]) {
    const name = errors[0].field;
    const variable = VARIABLES[name];
    const value = variable?.secret ? "its value" : JSON.stringify(env[name]);
    throw new ConfigError(`${name}: ${value} is not valid: ${variable?.allowed} is allowed`);
  }
  return given as Values;
}

/** @throws ConfigError for the first of these variables that is not set, although `because` */
export function demand(values: Values, because: string, ...names: (keyof Values)[]): void {
  for (const name of names)
    if (values[name] === undefined)
      throw new ConfigError(
        `${name}: is not set, although ${because}: ${VARIABLES[name]?.allowed} is allowed`,
      );
}
