import type { ActionContract, ActionTypes } from "../lib/contract/action.ts";
import type { EventContract, EventTypes } from "../lib/contract/events.ts";
import { deadLetterTopic, USER_EVENTS } from "../lib/contract/events.ts";
import * as avatars from "./avatars/avatars.contract.ts";
import type * as database from "./database/database.contract.ts";
import * as identities from "./identities/identities.contract.ts";
import { consumedTopics } from "./ingest/ingest.contract.ts";
import * as stats from "./stats/stats.contract.ts";
import * as users from "./users/users.contract.ts";

/** The contracts of all services together. */

type AllActions = ActionTypes<"users", typeof users.actions> &
  ActionTypes<"stats", typeof stats.actions> &
  ActionTypes<"avatars", typeof avatars.actions> &
  ActionTypes<"identities", typeof identities.actions> &
  ActionTypes<"database", typeof database.actions>;

/** Actions that only the services of this project call. */
type Internal =
  | "stats.apply"
  | "stats.getAny"
  | "users.eraseNow"
  | "users.inventory"
  | "users.purge"
  | "users.receive"
  | "users.signUp"
  | "users.findPerson"
  | "users.follow"
  | "identities.receive"
  | "identities.sync"
  | "database.health";
export type InternalActions = Pick<AllActions, Internal>;
/** The actions that other services and the REPL call (contract 12). */
export type Actions = Omit<AllActions, Internal>;

/** The actions that other services and the REPL call, by name. */
export const OFFERED: [name: keyof Actions, contract: ActionContract][] = Object.entries({
  users,
  stats,
  avatars,
  identities,
}).flatMap(([service, { actions }]) =>
  Object.entries<ActionContract>(actions)
    .filter(([, { visibility }]) => visibility !== "public")
    .map(([name, contract]): [keyof Actions, ActionContract] => [
      `${service}.${name}` as keyof Actions,
      contract,
    ]),
);

/** The actions with a REST route. */
export const REST_ACTIONS = OFFERED.filter(([, { rest }]) => rest);

/** The events that we publish, by type (contract 7). */
const published = { ...users.events, ...stats.events, ...avatars.events, ...identities.events };
export const PUBLISHED: Record<string, EventContract> = published;
export type Events = EventTypes<typeof published>;

/** An event of ours, to be enqueued in the outbox. */
export type DomainEvent = {
  [Type in keyof Events]: { eventType: Type; userId: string; data: Events[Type] };
}[keyof Events];

/** A published event, as it is on Kafka and as a Moleculer listener gets it in `ctx.params`. */
export type Envelope<Type extends keyof Events = keyof Events> = {
  eventId: string;
  eventType: Type;
  timestamp: string;
  userId: string;
  data: Events[Type];
  metadata: { service: "user-service"; version: string; correlationId: string; causationId?: string };
};

/** All topics that are used, with the configured ones of Keycloak's events. */
export const allTopics = (keycloakTopics: string[]): string[] => [
  USER_EVENTS,
  ...consumedTopics(keycloakTopics).flatMap((topic) => [topic, deadLetterTopic(topic)]),
];
