import { ConfigError } from "./config-error.ts";
import {
  demand,
  readEnvironment,
  SERVICE_NAMES,
  type ServiceName,
  type Values,
  withParts,
} from "./environment.ts";
import { checkParts, type Part, partsOf } from "./production.ts";

/**
 * Reads and checks the environment (contract 8).
 * @throws ConfigError with one line that names the variable, the value's fault and what is allowed
 */
export function readConfig(env: NodeJS.ProcessEnv) {
  const values = readEnvironment(env);
  const services: readonly ServiceName[] = values.SERVICES ?? SERVICE_NAMES;
  const parts = partsOf(services);
  const production = values.NODE_ENV === "production";

  return Object.freeze({
    production,
    services,
    /** The parts of a node with these services. */
    parts,
    needsDatabase: parts.includes("database"),
    /** The node answers lists, and there is a replica for them. */
    readsReplica: services.includes("users") && values.DATABASE_READ_URL !== undefined,
    /** The node answers every REST request without another node. */
    servesAlone: (["api", "users", "stats", "avatars", "identities"] as const).every((name) =>
      services.includes(name),
    ),
    nodeID: values.NODEID,
    /** Empty: the cluster has no name, and its topics none of its own. */
    namespace: values.NAMESPACE ?? "",
    port: values.PORT,
    metricsPort: values.METRICS_PORT,
    http: Object.freeze({
      /** The limit for the request line and the headers together, in bytes. */
      maxHeaderSize: values.HTTP_MAX_HEADER_SIZE,
      /** How long an idle connection stays open, in ms: longer than the load balancer keeps it. */
      keepAliveMs: 1000 * values.HTTP_KEEP_ALIVE_SECONDS,
      /** How long a stopping gateway goes on accepting connections, in ms: until balancers know that it is not ready. */
      stopNoticeMs: 1000 * (values.HTTP_STOP_NOTICE_SECONDS ?? (production ? 3 : 0)),
    }),
    metricsUsersMax: values.METRICS_USERS_MAX,
    /** What `avatarUrl` begins with. */
    publicUrl: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    dataDir: values.DATA_DIR,
    logLevel: values.LOG_LEVEL,
    /** Loki, which also gets the log lines. Not set: they go to the standard output only. */
    lokiHost: values.LOKI_HOST,
    /** Not set: nothing is traced. */
    tracing: values.JAEGER_ENDPOINT && readTracing(values.JAEGER_ENDPOINT, values.TRACE_SAMPLE),
    database: Object.freeze({
      /** Without a host, the service starts a PostgreSQL of its own. */
      ...addressOf(values),
      /** Answers lists. Not set: the primary does. */
      replica: values.DATABASE_READ_URL && readReplica(values, values.DATABASE_READ_URL),
      schema: values.DATABASE_SCHEMA,
      poolMax: values.DATABASE_POOL_MAX,
      /** The mode of a pooler between the service and PostgreSQL; `session` also without one. */
      pooler: values.DATABASE_POOLER,
    }),
    /** Not set: avatars are stored in a folder of DATA_DIR. */
    minio: values.MINIO_ENDPOINT && readMinio(values, values.MINIO_ENDPOINT),
    /** Not set: the node is alone, and events stay in the process. */
    kafka: values.KAFKA_BROKERS && readKafka(values, values.KAFKA_BROKERS),
    auth: Object.freeze({
      /** Not set: the service signs development tokens itself. */
      issuer: values.AUTH_ISSUER,
      jwksUrl: values.AUTH_JWKS_URL ?? `${values.AUTH_ISSUER}/protocol/openid-connect/certs`,
      /** A token needs at least one of these audiences. */
      audiences: values.AUTH_AUDIENCE,
      internalToken: values.INTERNAL_TOKEN,
    }),
    /**
     * How long a user's row may be served from memory, in ms. Other nodes' writes are not seen in that time, so a
     * cluster caches only if this is set.
     */
    userCacheMs: 1000 * (values.USER_CACHE_SECONDS ?? (values.KAFKA_BROKERS ? 0 : 60)),
    /** The first `GET /users/me` of a token creates its user. */
    usersAutoCreate: values.USERS_AUTO_CREATE,
    /** How long an entry of the history is kept; 0 is for ever. */
    historyKeepDays: values.HISTORY_KEEP_DAYS,
    /** For how long after its deletion a user can be restored. */
    restoreWithinDays: values.RESTORE_WITHIN_DAYS,
    /** How long after its request an erasure is carried out. */
    eraseAfterDays: values.ERASE_AFTER_DAYS,
    /** The services that must answer an erasure. */
    erasureParties: values.ERASURE_PARTIES,
    /** The topics with Keycloak's events. */
    keycloakTopics: values.KEYCLOAK_EVENTS_TOPICS,
    /** Not set: nothing is read back from Keycloak, and users are not made as they are there. */
    keycloak: values.KEYCLOAK_ADMIN_CLIENT_ID && readKeycloak(values, values.KEYCLOAK_ADMIN_CLIENT_ID),
  });
}

const addressOf = (values: Values) =>
  Object.freeze({
    host: values.DATABASE_HOST,
    port: values.DATABASE_PORT,
    name: values.DATABASE_NAME,
    user: values.DATABASE_USER,
    password: values.DATABASE_PASSWORD,
    ssl: readTls(values),
  });

/** What its address leaves out is as for the primary. */
function readReplica(values: Values, parts: Record<string, string>) {
  demand(values, "DATABASE_READ_URL is", "DATABASE_HOST");
  return addressOf(withParts(values, parts));
}

/** TLS to PostgreSQL, with libpq's names of the modes; false if there is none, as on a Unix socket. */
function readTls(values: Values) {
  const {
    DATABASE_HOST: host = "/",
    DATABASE_SSL_CA: ca,
    DATABASE_SSL_CERT: cert,
    DATABASE_SSL_KEY: key,
  } = values;
  const mode = values.DATABASE_SSL_MODE ?? (values.DATABASE_SSL ? "verify-full" : "disable");
  if (mode === "disable" || host.startsWith("/")) return false;
  if (cert) demand(values, "DATABASE_SSL_CERT is", "DATABASE_SSL_KEY");
  const rejectUnauthorized = mode !== "require" || ca !== undefined; // libpq verifies too if it has a CA
  const checkName = mode === "verify-full" ? {} : { checkServerIdentity: () => undefined };
  return Object.freeze({ ca, cert, key, rejectUnauthorized, ...checkName });
}

/** The object store for avatars. */
export type MinioConfig = ReturnType<typeof readMinio>;

const readMinio = (values: Values, endPoint: string) =>
  Object.freeze({
    endPoint,
    port: values.MINIO_PORT,
    useSSL: values.MINIO_USE_SSL,
    pathStyle: values.MINIO_PATH_STYLE,
    accessKey: values.MINIO_ACCESS_KEY,
    secretKey: values.MINIO_SECRET_KEY,
    sessionToken: values.MINIO_SESSION_TOKEN,
    /** The credentials of the platform's role are used instead of those above. */
    useIAM: values.MINIO_USE_IAM,
    bucket: values.MINIO_BUCKET,
    /** What all names of objects in the bucket begin with. */
    prefix: values.MINIO_PREFIX,
    region: values.MINIO_REGION,
  });

/** Where spans are sent, in which form, and the share of the traces starting here that is recorded. */
export type Tracing = ReturnType<typeof readTracing>;

function readTracing(endpoint: string, sample: number) {
  return Object.freeze({
    endpoint,
    form: new URL(endpoint).pathname as "/api/traces" | "/v1/traces",
    sample,
  });
}

/** One Kafka cluster for both the transporter and the topics. */
export type KafkaConfig = ReturnType<typeof readKafka>;

function readKafka(values: Values, brokers: string[]) {
  const mechanism = values.KAFKA_SASL_MECHANISM;
  if (mechanism) demand(values, "KAFKA_SASL_MECHANISM is", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD");
  if (values.KAFKA_SSL_CERT) demand(values, "KAFKA_SSL_CERT is", "KAFKA_SSL_KEY");
  if (mechanism === "oauthbearer")
    demand(values, "KAFKA_SASL_MECHANISM is oauthbearer", "KAFKA_SASL_TOKEN_URL");
  const { KAFKA_SASL_USERNAME: username = "", KAFKA_SASL_PASSWORD: password = "" } = values;
  return Object.freeze({
    brokers,
    clientId: values.KAFKA_CLIENT_ID,
    groupId: values.KAFKA_GROUP_ID,
    /** False without TLS. A CA that is not given is one of Node's. */
    ssl: values.KAFKA_SSL && readKafkaTls(values),
    /** With oauthbearer, user and password are those of the client at the token endpoint. */
    sasl: mechanism && { mechanism, username, password, tokenUrl: values.KAFKA_SASL_TOKEN_URL },
  });
}

function readKafkaTls({ KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }: Values) {
  return Object.freeze({ ca, cert, key });
}

/** A client of the realm that issues the tokens, with the right to read its users and events. */
export type KeycloakConfig = ReturnType<typeof readKeycloak>;

function readKeycloak(values: Values, clientId: string) {
  const name = values.AUTH_JWKS_URL ? "AUTH_JWKS_URL" : "AUTH_ISSUER"; // the address that the service can reach
  demand(values, "KEYCLOAK_ADMIN_CLIENT_ID is", "KEYCLOAK_ADMIN_CLIENT_SECRET", name);
  const [, url, realm] = /^(.+)\/realms\/([^/]+)/.exec(values[name] ?? "") ?? [];
  if (url === undefined || realm === undefined)
    throw new ConfigError(
      `${name}: is of no Keycloak realm, although KEYCLOAK_ADMIN_CLIENT_ID is set; allowed: an address with /realms/NAME`,
    );
  return Object.freeze({
    url,
    realm,
    clientId,
    clientSecret: values.KEYCLOAK_ADMIN_CLIENT_SECRET ?? "",
    /** In ms: how often the events since the last time are read. */
    syncMs: 1000 * values.IDENTITY_SYNC_SECONDS,
  });
}

/** Returns what `read` returns. If the environment is invalid, the process prints one line and exits. */
function orExit<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** The settings of this process, read from the environment once. */
export const config = orExit(() => readConfig(process.env));

/** Ends the process with one line if it is in production and one of the parts that it uses lacks a variable. */
export const demandParts = (...parts: Part[]): void => orExit(() => checkParts(process.env, parts));
