import { action } from "../../lib/contract/action.ts";
import {
  anyText,
  count,
  flag,
  type Infer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  time,
  withDefault,
} from "../../lib/contract/fields.ts";

/** How the service follows Keycloak (contract 27): for our own services and commands. */

/** What a hint says of a person in Keycloak. */
const HINT_KINDS = ["changed", "deleted", "signed-in"] as const;

/** A hint that a person may have changed in Keycloak. The person is read there before anything changes here. */
export const hint = {
  /** The identity of the event: each is one hint, whichever way it comes. */
  key: anyText(),
  kind: oneOf(HINT_KINDS),
  keycloakId: anyText(),
  /** The event's own id. */
  eventId: optional(anyText()),
  at: optional(time()),
};
export type Hint = Infer<ReturnType<typeof object<typeof hint>>>;

export const HINT_OUTCOMES = ["applied", "duplicate"] as const;
export type HintOutcome = (typeof HINT_OUTCOMES)[number];

/**
 * How a user differs from Keycloak: `missing` here, `gone` from Keycloak, or another name, e-mail or status.
 */
const DIFFERENCE_KINDS = ["missing", "gone", "name", "email", "status"] as const;
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

const difference = object({
  kind: oneOf(DIFFERENCE_KINDS),
  keycloakId: anyText(),
  userId: nullable(anyText()),
});
export type Difference = Infer<typeof difference>;

/** The maximum number of differences that a report lists. */
export const LISTED_MAX = 1_000;

const counts = object({ missing: count(), gone: count(), name: count(), email: count(), status: count() });
export type Counts = Infer<typeof counts>;

/** The warning for an operator if the realm does not save all events. */
export const LACKS_EVENTS =
  "Keycloak does not save all events: a change that no topic brings is found nightly only, see docs/keycloak.md";

/** What a comparison of everybody found. */
const Report = object({
  people: count(),
  differences: list(difference),
  counts,
  /** The number of users that are gone from Keycloak and stay, because they are more than one sweep may delete. */
  refused: count(),
  /** Whether Keycloak does not save all events: then only a comparison of everybody finds what no topic brings. */
  lacksEvents: flag(),
  /** What was left after the differences were followed. */
  left: optional(counts),
});
export type Report = Infer<typeof Report>;

export const mirrorActions = {
  receive: action({
    access: "internal",
    visibility: "public",
    params: { hints: list(object(hint)) },
    result: list(oneOf(HINT_OUTCOMES)),
    summary: "Note that people may have changed in Keycloak",
  }),
  sync: action({
    access: "admin-only",
    visibility: "public",
    params: { dryRun: withDefault(flag(), false), mayDelete: optional(count()) },
    result: Report,
    summary: "Compare all users with Keycloak, and make them as they are there",
  }),
};
