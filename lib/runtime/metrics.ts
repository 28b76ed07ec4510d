import { LRUCache } from "lru-cache";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { config } from "../config/config.ts";

/** What `/metrics` exposes (contract 6). Counters count from the start of the process. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });
// gauges named like counters; each is the sum of another gauge
for (const what of ["handles", "requests", "resources"])
  registry.removeSingleMetric(`nodejs_active_${what}_total`);

const registers = [registry];

export const usersTotal = new Counter({
  name: "user_service_users_total",
  help: "Users created",
  registers,
});
export const profilesUpdated = new Counter({
  name: "user_service_profiles_updated_total",
  help: "Profiles updated",
  registers,
});
export const avatarsUploaded = new Counter({
  name: "user_service_avatars_uploaded_total",
  help: "Avatars uploaded",
  registers,
});
export const queryDuration = new Histogram({
  name: "user_service_database_query_duration_seconds",
  help: "Time from asking for a connection to the answer of a query",
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  registers,
});
export const eventsPublished = new Counter({
  name: "user_service_kafka_events_published_total",
  help: "Events published, natively or on Kafka",
  labelNames: ["event_type"],
  registers,
});
export const eventsConsumed = new Counter({
  name: "user_service_events_consumed_total",
  help: "Events received from other services, by outcome",
  labelNames: ["topic", "outcome"],
  registers,
});
export const deadLetters = new Counter({
  name: "user_service_dead_letters_total",
  help: "Consumed events that could not be counted",
  labelNames: ["topic", "code"],
  registers,
});
export const httpResponses = new Counter({
  name: "user_service_http_responses_total",
  help: "HTTP requests answered or refused, by status; 499 if the client left before the answer",
  labelNames: ["status"],
  registers,
});
export const jwksFetches = new Counter({
  name: "user_service_jwks_fetches_total",
  help: "Requests for the realm's signing keys, by result: ok, failed",
  labelNames: ["result"],
  registers,
});
export const actionDuration = new Histogram({
  name: "user_service_action_duration_seconds",
  help: "Time an action took, by action and result: ok, client_error, server_error",
  labelNames: ["action", "result"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers,
});
const avatarStages = new Histogram({
  name: "user_service_avatar_stage_duration_seconds",
  help: "Time an avatar spent in a processing stage, waiting included: receive, decode, encode, store",
  labelNames: ["stage"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers,
});
const storageUsed = new Gauge({
  name: "user_service_storage_used_bytes",
  help: "Storage used, of the most recently changed users",
  labelNames: ["userId"],
  registers,
});

/** The gauge keeps only the most recently changed users: with a series for each user it would grow without bound. */
const recentUsers = new LRUCache<string, true>({
  max: Math.max(1, config.metricsUsersMax),
  dispose: (_, userId) => storageUsed.remove(userId),
});

/** Sets the storage of a user, in bytes. */
export function observeStorage(userId: string, bytes: number): void {
  if (config.metricsUsersMax === 0) return;
  recentUsers.set(userId, true);
  storageUsed.set({ userId }, Math.max(0, bytes));
}

/** Measures one stage of an avatar's processing, whatever its outcome. */
export const timeStage = <Result>(
  stage: "receive" | "decode" | "encode" | "store",
  work: Promise<Result>,
): Promise<Result> => {
  const end = avatarStages.startTimer({ stage });
  return work.finally(() => end());
};

/** The value of a gauge, or one value per combination of its labels. */
type Reading = number | { labels: Record<string, string>; value: number }[];

/** A gauge that is read on each scrape. If that fails, it is NaN, or has no samples if it has labels. */
export function gaugeOf(
  name: string,
  help: string,
  read: () => Reading | Promise<Reading>,
  labelNames: string[] = [],
): void {
  const unreadable: Reading = labelNames.length > 0 ? [] : Number.NaN;
  new Gauge({
    name,
    help,
    labelNames,
    registers,
    async collect() {
      const reading = await Promise.resolve()
        .then(read)
        .catch(() => unreadable);
      if (typeof reading === "number") return this.set(reading);
      this.reset();
      for (const { labels, value } of reading) this.set(labels, value);
    },
  });
}

/** How long a figure that takes a query is shared by all scrapes, in ms. */
const SHARED_FOR = 5_000;

/** A gauge for a figure that is expensive to read: scrapes within 5 s share one reading, even a failed one. */
export function sharedGaugeOf(
  name: string,
  help: string,
  read: () => Promise<Reading>,
  labelNames?: string[],
): void {
  let reading: Promise<Reading> | undefined;
  let startedAt = Number.NEGATIVE_INFINITY;
  const readShared = () => {
    const now = performance.now();
    if (!reading || now - startedAt >= SHARED_FOR) {
      startedAt = now;
      reading = read();
    }
    return reading;
  };
  gaugeOf(name, help, readShared, labelNames);
}
