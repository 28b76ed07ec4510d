import { LRUCache } from "lru-cache";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { config } from "./config.ts";

/** What `/metrics` tells (SPEC 6). Set directly where things happen; counters count from the process's start. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });
// gauges that are named like counters, and say no more than the sum of those beside them
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
  help: "Events received from other services, by what became of them",
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
  help: "Requests that the gateway has done with, by status; 499 where the client left before the answer",
  labelNames: ["status"],
  registers,
});
export const jwksFetches = new Counter({
  name: "user_service_jwks_fetches_total",
  help: "Times that the realm was asked for its signing keys, by result: ok, failed",
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
  help: "Time an avatar spent in a stage of its way, waiting for its turn included: receive, decode, encode, store",
  labelNames: ["stage"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers,
});
const storageUsed = new Gauge({
  name: "user_service_storage_used_bytes",
  help: "Storage used, by the users who changed most recently",
  labelNames: ["userId"],
  registers,
});

/** The gauge keeps the most recently changed users only: one for each user would grow without bound. */
const recentUsers = new LRUCache<string, true>({
  max: Math.max(1, config.metricsUsersMax),
  dispose: (_, userId) => storageUsed.remove(userId),
});

/** Tells a user's storage, in bytes. */
export function observeStorage(userId: string, bytes: number): void {
  if (config.metricsUsersMax === 0) return;
  recentUsers.set(userId, true);
  storageUsed.set({ userId }, Math.max(0, bytes));
}

/** Takes the time of one stage of an avatar's way, however it ends. */
export const timeStage = <Result>(
  stage: "receive" | "decode" | "encode" | "store",
  work: Promise<Result>,
): Promise<Result> => {
  const end = avatarStages.startTimer({ stage });
  return work.finally(() => end());
};

/** A gauge that is read when it is asked for; NaN where it can't be read. */
export function gaugeOf(name: string, help: string, read: () => number | Promise<number>): void {
  new Gauge({
    name,
    help,
    registers,
    async collect() {
      this.set(
        await Promise.resolve()
          .then(read)
          .catch(() => Number.NaN),
      );
    },
  });
}
