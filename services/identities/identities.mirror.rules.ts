import { sameEmail } from "../../lib/contract/email.ts";
import { email } from "../../lib/contract/fields.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import type { Person } from "../../lib/keycloak/person.ts";
import { backoffDelay } from "../../lib/runtime/tasks.ts";
import type { UserRow } from "../../models/user.ts";
import { profile } from "../users/users.contract.ts";
import { fullNameOf } from "../users/users.names.contract.ts";
import type { DifferenceKind } from "./identities.mirror.contract.ts";

/** Decides what of Keycloak is applied to a user: pure (contract 27). */

/** What Keycloak had when a user was last compared with it. */
export type Seen = { fullName: string | null; enabled: boolean };

/** What the history has of Keycloak's changes of a user since then. */
export type Applied = Partial<Pick<UserRow, "fullName" | "status">>;

/** What Keycloak had, with what of it was applied since then: what we changed afterwards is then ours. */
export const withApplied = (seen: Seen, { fullName, status }: Applied): Seen => ({
  fullName: fullName ?? seen.fullName,
  enabled: status ? status === "active" : seen.enabled,
});

/** What has to change so that a user is as in Keycloak. */
export type Steps = {
  fullName?: string;
  email?: string;
  status?: UserRow["status"];
  /** What cannot be as in Keycloak, because our contract refuses it. */
  refused: DifferenceKind[];
};

const accepts = {
  fullName: compileCheck({ ...toParams({ fullName: profile.fullName }) }),
  email: compileCheck({ ...toParams({ email: email() }) }),
};
const isName = (fullName: string) => accepts.fullName({ fullName }).length === 0;
const isEmail = (text: string) => accepts.email({ email: text }).length === 0;

/** The name that a person has in Keycloak; null if there is none. */
export const nameOf = ({ firstName, lastName }: Person): string | null =>
  [firstName, lastName].filter((part) => part !== null).join(" ") || null;

export const seenOf = (person: Person): Seen => ({ fullName: nameOf(person), enabled: person.enabled });

/**
 * Compares a user with Keycloak. What Keycloak changed since the last comparison is applied; what only we changed
 * stays. The e-mail is always Keycloak's. At the first comparison our name stays, and a disabled account suspends.
 * @param seen undefined at the first comparison
 */
export function stepsFor(person: Person, user: UserRow, seen: Seen | undefined): Steps {
  const steps: Steps = { refused: [] };
  const fullName = nameOf(person);
  const isRenamed = seen !== undefined && fullName !== seen.fullName && fullName !== user.fullName;
  if (isRenamed && fullName !== null) {
    if (isName(fullName)) steps.fullName = fullName;
    else steps.refused.push("name");
  }
  if (person.email === null || !isEmail(person.email)) steps.refused.push("email");
  else if (!sameEmail(person.email, user.email)) steps.email = person.email;
  const status = person.enabled ? "active" : "suspended";
  const isSwitched = seen ? person.enabled !== seen.enabled : !person.enabled;
  if (isSwitched && status !== user.status) steps.status = status;
  return steps;
}

/** The differences between a user and Keycloak. */
export const differencesIn = ({ fullName, email, status, refused }: Steps): DifferenceKind[] => [
  ...(fullName === undefined ? [] : (["name"] as const)),
  ...(email === undefined ? [] : (["email"] as const)),
  ...(status === undefined ? [] : (["status"] as const)),
  ...refused,
];

/** What to remember of Keycloak after a comparison: a refused name stays a difference. */
export const seenAfter = (person: Person, { refused }: Steps, seen: Seen | undefined): Seen =>
  refused.includes("name") && seen ? { ...seenOf(person), fullName: seen.fullName } : seenOf(person);

/** A new user for a person in Keycloak; undefined if the person has no e-mail that our contract accepts. */
export function newUserFor(person: Person) {
  const { id, email } = person;
  if (email === null || !isEmail(email)) return undefined;
  const fullName = fullNameOf({
    first: person.firstName,
    last: person.lastName,
    username: person.username,
    email,
  });
  return { keycloakId: id, email, profile: { fullName } };
}

/** How many users one sweep may delete: 10, or 1 % of all users. */
export const mayDelete = (users: number): number => Math.max(10, Math.floor(users / 100));

/** The hour of the day, in UTC, of the nightly sweep. */
const NIGHT = 3;
const DAY = 86_400_000; // ms

/** When the sweep of everybody is due again. */
export function nextNight(now: Date): Date {
  const night = new Date(now).setUTCHours(NIGHT, 0, 0, 0);
  return new Date(night > now.getTime() ? night : night + DAY);
}

/**
 * In ms. What another user's change can end is tried again after 2 s, then ever later, at last every 10 s: where an
 * e-mail was handed on from one user to the next, each of them waits for the one before.
 */
export const TRY_AGAIN = { first: 2_000, last: 10_000 };
/** In ms. What our contract refuses stays refused until Keycloak changes it, which makes a hint of its own. */
const REFUSED = 3_600_000;

/** In how many ms a person who still differs is read again. */
export const tryAgainIn = (mayEnd: boolean, attempts: number): number =>
  mayEnd ? backoffDelay(TRY_AGAIN, attempts) : REFUSED;
