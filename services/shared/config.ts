import { VALIDATOR_OPTIONS, Validator } from "./validator.ts";

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
  KAFKA_BROKERS: listOf(/^[^\s:,]+:\d{1,5}$/, "a list of host:port, separated by commas"),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "fatal"], "debug"),
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

type Values = {
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
  KAFKA_BROKERS?: string[];
  LOG_LEVEL: string;
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

/** What the service runs on, read from the environment once. */
export type Config = ReturnType<typeof readConfig>;

/**
 * Reads and checks the environment (SPEC 8). An empty value counts as not set.
 * @throws ConfigError with one line that names the variable, the value's fault and what is allowed
 */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = validate(env);
  const services: readonly ServiceName[] = values.SERVICES ?? SERVICE_NAMES;
  const runs = (...names: ServiceName[]) => names.some((name) => services.includes(name));
  const needsDatabase = runs("users", "stats", "avatars", "outbox", "ingest");
  const production = values.NODE_ENV === "production";

  if (production) {
    if (needsDatabase) demand(values, "DATABASE_HOST");
    if (runs("avatars")) demand(values, "MINIO_ENDPOINT");
    demand(values, "KAFKA_BROKERS");
    if (runs("api")) demand(values, "AUTH_ISSUER", "INTERNAL_TOKEN");
  }

  return Object.freeze({
    production,
    services,
    needsDatabase,
    nodeID: values.NODEID,
    namespace: values.NAMESPACE,
    port: values.PORT,
    metricsPort: values.METRICS_PORT,
    metricsUsersMax: values.METRICS_USERS_MAX,
    publicUrl: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    dataDir: values.DATA_DIR,
    logLevel: values.LOG_LEVEL,
    database: Object.freeze({
      /** Not set: the service starts a PostgreSQL of its own. */
      host: values.DATABASE_HOST,
      port: values.DATABASE_PORT,
      name: values.DATABASE_NAME,
      user: values.DATABASE_USER,
      password: values.DATABASE_PASSWORD,
      schema: values.DATABASE_SCHEMA,
      ssl: values.DATABASE_SSL,
      poolMax: values.DATABASE_POOL_MAX,
    }),
    kafkaBrokers: values.KAFKA_BROKERS,
    auth: Object.freeze({
      /** Not set: the service signs development tokens itself. */
      issuer: values.AUTH_ISSUER,
      jwksUrl: values.AUTH_JWKS_URL ?? `${values.AUTH_ISSUER}/protocol/openid-connect/certs`,
      audience: values.AUTH_AUDIENCE,
      internalToken: values.INTERNAL_TOKEN,
    }),
    /** How long a user's row may be served from memory, in ms. Other nodes' writes go unseen for as long, so a cluster caches only where it is told to. */
    userCacheMs: 1000 * (values.USER_CACHE_SECONDS ?? (values.KAFKA_BROKERS ? 0 : 60)),
  });
}

function validate(env: NodeJS.ProcessEnv): Values {
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(VARIABLES)) if (env[name]) given[name] = env[name];
  const check = new Validator(VALIDATOR_OPTIONS).compile(VARIABLES);
  const errors = check(given);
  if (Array.isArray(errors) && errors[0]) {
    const name = errors[0].field;
    const variable = VARIABLES[name];
    const value = variable?.secret ? "its value" : `"${env[name]}"`;
    throw new ConfigError(`${name}: ${value} is not valid: ${variable?.allowed} is allowed`);
  }
  return given as Values;
}

function demand(values: Values, ...names: (keyof Values)[]): void {
  for (const name of names)
    if (values[name] === undefined)
      throw new ConfigError(`${name}: is not set: NODE_ENV=production needs ${VARIABLES[name]?.allowed}`);
}

function readOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** The configuration of this process. A wrong environment ends the process here, with one line. */
export const config: Config = readOrExit();
