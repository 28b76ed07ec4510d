import { either, oneOrMany, queryFlag, record } from "../../lib/contract/compound.ts";
import {
  anyText,
  asResult,
  count,
  described,
  email,
  type Fields,
  flag,
  type Infer,
  type InferAll,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  optionalText,
  partial,
  text,
  time,
  url,
  uuid,
  versioned,
  withDefault,
} from "../../lib/contract/fields.ts";
import { type Format, fault } from "../../lib/contract/formats/fault.ts";
import { ISO_DATE, toUtcDate } from "../../lib/contract/formats/iso-date.ts";
import { toLanguage } from "../../lib/contract/formats/language.ts";
import { toName } from "../../lib/contract/formats/person-name.ts";
import { toE164 } from "../../lib/contract/formats/phone.ts";
import { toTimezone } from "../../lib/contract/formats/timezone.ts";

/** The fields and resources of users (contract 1, 2 and 4). */

export const id = uuid();
export const keycloakId = text(1, 255);

/** The fields of a profile. Rules, SQL, events and answers are derived from this list. */
export const profile = {
  fullName: text(2, 100, toName),
  companyName: optionalText(100, toName),
  phone: described("E.164 if the whole text is one number", optionalText(50, toE164)),
  bio: optionalText(2000),
};
export const PROFILE_FIELDS = Object.keys(profile) as (keyof typeof profile)[];
export type Profile = InferAll<typeof profile>;

const language = text(1, 100, toLanguage, { description: "A BCP 47 language tag" });
const timezone = text(1, 100, toTimezone, { description: "An IANA time zone" });
const notifications = {
  email: flag(),
  interviewInvitation: flag(),
  interviewReminder: flag(),
  analysisReady: flag(),
  quotaWarning: flag(),
  marketing: flag(),
};
export const preferencesPatch = {
  language: optional(language),
  timezone: optional(timezone),
  notifications: optional(object(partial(notifications))),
};
export const Preferences = versioned(
  object({ language, timezone, notifications: object(notifications) }, "Preferences"),
);
export type Preferences = Infer<typeof Preferences>;
export type PreferencesPatch = InferAll<typeof preferencesPatch>;

const shownProfile = { ...asResult(profile), avatarUrl: nullable(url()) };
const shownStats = { interviewsCreated: count(), storageUsed: described("Bytes", count()) };
const shownQuotas = {
  maxInterviews: described("Null is unlimited", nullable(count())),
  maxStorage: described("Bytes; null is unlimited", nullable(count())),
};
const user = {
  id,
  keycloakId: anyText(),
  email: anyText(),
  profile: object(shownProfile),
  stats: object(shownStats),
  quotas: object(shownQuotas),
  createdAt: time(),
  updatedAt: time(),
};
export const User = versioned(
  object({ ...user, preferences: described("With `version` or `at` only", optional(Preferences)) }, "User"),
);
export type User = Infer<typeof User>;

/** The fields that a list can be sorted by; a leading `-` means descending. */
export const SORTS = ["createdAt", "updatedAt", "email", "fullName"] as const;

/** A time in a query. */
export const moment = () =>
  optional(
    text(1, 40, toUtcDate, {
      pattern: ISO_DATE.source,
      description: "ISO 8601; without a time, midnight; without a zone, UTC",
    }),
  );
export const listing = {
  limit: withDefault(integer(1, 100, { convert: true }), 20),
  cursor: optional(text(1, 2000)),
  sort: withDefault(oneOf([...SORTS, ...SORTS.map((field) => `-${field}` as const)] as const), "-createdAt"),
  search: optional(text(1, 255)),
  email: optional(email()),
  keycloakId: optional(keycloakId),
  companyName: optional(text(1, 100)),
  createdFrom: moment(),
  createdTo: moment(),
  deleted: described("List deleted users", withDefault(queryFlag(), false)),
  count: described("Count the users of the whole list", withDefault(queryFlag(), false)),
};
export type Listing = InferAll<typeof listing>;
export const ListedUser = object(
  {
    ...user,
    profile: object({ ...shownProfile, fullName: described("Empty after an erasure", anyText()) }),
    deletedAt: described("With `deleted=true` only", optional(time())),
  },
  "ListedUser",
);
export type ListedUser = Infer<typeof ListedUser>;

/** A total is exact up to this number. */
export const TOTAL_MAX = 10_000;
export const UserPage = object(
  {
    items: list(ListedUser),
    nextCursor: described("The `cursor` of the next page; null on the last page", nullable(anyText())),
    total: described("With `count=true` only", optional(integer(0, TOTAL_MAX))),
    totalIsLowerBound: described("Whether there are more users than `total`", optional(flag())),
  },
  "UserPage",
);
export type UserPage = Infer<typeof UserPage>;

/** The maximum number of users in one lookup. */
export const LOOKUP_MAX = 100;
export const lookup = {
  ids: optional(list(id, LOOKUP_MAX)),
  keycloakIds: optional(list(keycloakId, LOOKUP_MAX)),
  emails: optional(list(email(), LOOKUP_MAX)),
};
export type Lookup = InferAll<typeof lookup>;
const missing = { ids: list(id), keycloakIds: list(anyText()), emails: list(anyText()) };
export const FoundUsers = object({ items: list(User), missing: object(missing) }, "FoundUsers");
export type FoundUsers = Infer<typeof FoundUsers>;

/** The paths of a user's fields, such as `profile` and `profile.fullName`. */
const pathsOf = (fields: Fields, prefix = ""): string[] =>
  Object.entries(fields).flatMap(([name, { props }]) => [
    prefix + name,
    ...pathsOf((props ?? {}) as Fields, `${prefix}${name}.`),
  ]);
const PATHS = new Set(pathsOf(user));

/** Names of fields in moleculer-db's form: a list, or a text separated by spaces or commas. */
export const splitNames = (names: string): string[] => names.split(/[,\s]+/).filter(Boolean);
const toNames: Format = (names) =>
  splitNames(names).every((name) => PATHS.has(name)) ? names : fault("must be names of fields of a user");

export const resolving = {
  id: oneOrMany(id, 1_000),
  mapping: optional(flag()),
  fields: optional(oneOrMany(text(1, 1_000, toNames), 100)),
};
export type Resolving = InferAll<typeof resolving>;
/** A requested user; with `fields`, only these fields. */
export const ResolvedUser = object(
  partial({
    ...user,
    profile: object(partial(shownProfile)),
    stats: object(partial(shownStats)),
    quotas: object(partial(shownQuotas)),
  }),
  "ResolvedUser",
);
export type ResolvedUser = Infer<typeof ResolvedUser>;
export const Resolved = either(ResolvedUser, list(ResolvedUser), record(ResolvedUser));
export type Resolved = Infer<typeof Resolved>;

/** The quotas that a user begins with; `maxStorage` in bytes. */
export const DEFAULT_QUOTAS = { maxInterviews: 10, maxStorage: 5_368_709_120 };

/** The user of all examples, as created. */
export const ADA: User = {
  id: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
  keycloakId: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
  email: "ada@example.com",
  profile: {
    fullName: "Ada Lovelace",
    companyName: "Analytical Engines",
    phone: null,
    bio: null,
    avatarUrl: null,
  },
  stats: { interviewsCreated: 0, storageUsed: 0 },
  quotas: DEFAULT_QUOTAS,
  createdAt: "2025-10-06T10:00:00.000Z",
  updatedAt: "2025-10-06T10:00:00.000Z",
};

/** The preferences of a user who has not changed them. */
export const DEFAULT_PREFERENCES: Preferences = {
  language: "en",
  timezone: "UTC",
  notifications: {
    email: true,
    interviewInvitation: true,
    interviewReminder: true,
    analysisReady: true,
    quotaWarning: true,
    marketing: false,
  },
};

/** Complete preferences: the stored ones over the defaults. */
export const completePreferences = (stored: PreferencesPatch = {}): Preferences => ({
  ...DEFAULT_PREFERENCES,
  ...stored,
  notifications: { ...DEFAULT_PREFERENCES.notifications, ...stored.notifications },
});
