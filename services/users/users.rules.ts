import type { Caller } from "../../lib/contract/caller.ts";
import { sameEmail } from "../../lib/contract/email.ts";
import { EmailTaken } from "../../lib/contract/errors.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { DomainEvent } from "../contracts.ts";
import {
  completePreferences,
  DEFAULT_QUOTAS,
  PROFILE_FIELDS,
  type Preferences,
  type PreferencesPatch,
  type Profile,
} from "./users.contract.ts";

/** A user to be stored. */
export type NewUser = Pick<
  UserRow,
  "id" | "keycloakId" | "email" | keyof Profile | keyof typeof DEFAULT_QUOTAS | "createdAt"
>;

/** Decisions of the users' actions: pure functions from the row and the requested values to the change. */

export type Wish = { keycloakId: string; email: string; profile: Profile };

/** All fields of a profile; omitted ones are null. */
const whole = (profile: Profile) =>
  Object.fromEntries(PROFILE_FIELDS.map((field) => [field, profile[field] ?? null])) as Pick<
    UserRow,
    keyof Profile
  >;

/** A new user, and its event. */
export function newUser(
  { keycloakId, email, profile }: Wish,
  id: string,
  now: Date,
): { user: NewUser; event: DomainEvent } {
  return {
    user: { id, keycloakId, email, ...whole(profile), ...DEFAULT_QUOTAS, createdAt: now },
    event: {
      eventType: "user.created",
      userId: id,
      data: { keycloakId, email, fullName: profile.fullName, createdAt: now.toISOString() },
    },
  };
}

/**
 * The existing user with this keycloakId, among the users with this keycloakId or e-mail.
 * @throws EmailTaken if the e-mail belongs to another user: the two are never linked (contract 21)
 */
export function existingUser(users: UserRow[], { keycloakId, email }: Wish): UserRow | undefined {
  if (users.some((user) => user.keycloakId !== keycloakId && sameEmail(user.email, email)))
    throw new EmailTaken(email);
  return users.find((user) => user.keycloakId === keycloakId);
}

/** A user's complete preferences. */
export const preferencesOf = ({ preferences }: Pick<UserRow, "preferences">): Preferences =>
  completePreferences(preferences);

/** The entries of `wish` that differ from the current values; omitted ones do not differ. */
function differing<Fields extends object>(wish: Partial<Fields>, current: Fields): Partial<Fields> {
  const differs = (field: keyof Fields) => wish[field] !== undefined && wish[field] !== current[field];
  return Object.fromEntries(
    Object.entries(wish).filter(([field]) => differs(field as keyof Fields)),
  ) as Partial<Fields>;
}

const isEmpty = (object: object) => Object.keys(object).length === 0;

/** PATCH: omitted fields stay, null clears. If nothing changes, there is no event (contract 7). */
export function updateProfile(user: UserRow, wish: Partial<Profile> = {}): Change | undefined {
  const changes = differing<Partial<Profile>>(wish, user);
  if (isEmpty(changes)) return undefined;
  return { set: changes, event: { eventType: "user.updated", userId: user.id, data: { changes } } };
}

/** PUT: omitted fields are cleared. */
export const replaceProfile = (user: UserRow, profile: Profile): Change | undefined =>
  updateProfile(user, whole(profile));

/** Applies a change of e-mail that was made in Keycloak. */
export function changeEmail(user: UserRow, email: string): Change | undefined {
  if (email === user.email) return undefined;
  return {
    set: { email },
    event: { eventType: "user.updated", userId: user.id, data: { changes: { email } } },
  };
}

/** Applies what changed in Keycloak, as one change. */
export function follow(
  user: UserRow,
  wish: Partial<Pick<UserRow, "email" | "fullName">>,
): Change | undefined {
  const changes = differing(wish, user);
  if (isEmpty(changes)) return undefined;
  return { set: changes, event: { eventType: "user.updated", userId: user.id, data: { changes } } };
}

/** The wished preferences that differ, and all that are then stored; undefined if nothing differs. */
function mergePreferences(
  user: UserRow,
  wish: PreferencesPatch,
): { changes: PreferencesPatch; preferences: PreferencesPatch } | undefined {
  const current = preferencesOf(user);
  const { notifications = {}, ...rest } = wish;
  const changes: PreferencesPatch = differing(rest, current);
  const switched = differing(notifications, current.notifications);
  if (!isEmpty(switched)) changes.notifications = switched;
  if (isEmpty(changes)) return undefined;
  const preferences = {
    ...user.preferences,
    ...changes,
    notifications: { ...user.preferences.notifications, ...switched },
  };
  return { changes, preferences };
}

export function updatePreferences(user: UserRow, wish: PreferencesPatch): Change | undefined {
  const merged = mergePreferences(user, wish);
  if (!merged) return undefined;
  const { changes, preferences } = merged;
  return {
    set: { preferences },
    event: { eventType: "user.preferences_updated", userId: user.id, data: { changes } },
  };
}

/** Profile and preferences as they were; the e-mail, which is Keycloak's, stays (contract 24). */
export function revert(user: UserRow, then: UserRow): Change | undefined {
  const profile = differing<Partial<Profile>>(whole(then), user);
  const merged = mergePreferences(user, then.preferences);
  if (isEmpty(profile) && !merged) return undefined;
  const changes = { ...profile, ...(merged && { preferences: merged.changes }) };
  return {
    set: { ...profile, ...(merged && { preferences: merged.preferences }) },
    event: { eventType: "user.updated", userId: user.id, data: { changes } },
  };
}

/** A user whose token contains an e-mail can only sign up with that e-mail (contract 2). */
export const mayCreateWith = (email: string, { internal, user }: Caller): boolean =>
  internal || !user || user.admin || !user.email || sameEmail(user.email, email);
