import {
  demand,
  readEnvironment,
  refuseDefault,
  SERVICE_NAMES,
  type ServiceName,
  type Values,
} from "./environment.ts";

type Needs = {
  usedBy: readonly ServiceName[];
  /** Must be set. */
  set: (keyof Values)[];
  /** Must have another value than the default, which everybody knows. */
  own: (keyof Values)[];
  /** If this is set, they need not. */
  unless?: keyof Values;
};

/** What the parts of a process need in production, because nothing is embedded then (contract 8). */
const PARTS = {
  database: {
    usedBy: ["users", "stats", "avatars", "identities", "outbox", "ingest"],
    set: ["DATABASE_HOST"],
    own: ["DATABASE_PASSWORD"],
  },
  avatars: {
    usedBy: ["avatars"],
    set: ["MINIO_ENDPOINT"],
    own: ["MINIO_SECRET_KEY"],
    unless: "MINIO_USE_IAM",
  },
  addresses: { usedBy: ["users", "avatars"], set: ["PUBLIC_URL"], own: [] },
  kafka: { usedBy: SERVICE_NAMES, set: ["KAFKA_BROKERS", "NAMESPACE"], own: [] },
  api: { usedBy: ["api"], set: ["AUTH_ISSUER", "INTERNAL_TOKEN"], own: [] },
} satisfies Record<string, Needs>;

/** A part of a process that needs variables in production. */
export type Part = keyof typeof PARTS;

/** The parts that are used by any of these services. */
export const partsOf = (services: readonly ServiceName[]): readonly Part[] =>
  Object.freeze(
    (Object.entries(PARTS) as [Part, Needs][])
      .filter(([, { usedBy }]) => usedBy.some((name) => services.includes(name)))
      .map(([part]) => part),
  );

/** @throws ConfigError for the first variable that one of these parts needs, if NODE_ENV is production */
export function checkParts(env: NodeJS.ProcessEnv, parts: readonly Part[]): void {
  const values = readEnvironment(env);
  if (values.NODE_ENV !== "production") return;
  const because = "NODE_ENV is production";
  for (const { set, own, unless } of parts.map((part): Needs => PARTS[part])) {
    demand(values, because, ...set);
    if (unless && values[unless]) continue;
    for (const name of own) refuseDefault(values, because, name);
  }
}
