import {
  anyText,
  asResult,
  count,
  described,
  email,
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
import { ISO_DATE, toUtcDate } from "../../lib/contract/formats/iso-date.ts";
import { toLanguage } from "../../lib/contract/formats/language.ts";
import { toName } from "../../lib/contract/formats/person-name.ts";
import { toE164 } from "../../lib/contract/formats/phone.ts";
import { toTimezone } from "../../lib/contract/formats/timezone.ts";

/** The fields and resources of users (contract 1, 2 and 4). */

export const id = uuid();
export const keycloakId = text(1, 255);

/** What a person says of themselves. Rules, SQL, events and answers follow from this list. */
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

export const User = versioned(
  object(
    {
      id,
      keycloakId: anyText(),
      email: anyText(),
      profile: object({ ...asResult(profile), avatarUrl: nullable(url()) }),
      stats: object({ interviewsCreated: count(), storageUsed: described("Bytes", count()) }),
      quotas: object({
        maxInterviews: described("Null is unlimited", nullable(count())),
        maxStorage: described("Bytes; null is unlimited", nullable(count())),
      }),
      createdAt: time(),
      updatedAt: time(),
    },
    "User",
  ),
);
export type User = Infer<typeof User>;

/** What a list can be sorted by; a leading `-` means descending. */
export const SORTS = ["createdAt", "updatedAt", "email", "fullName"] as const;

const moment = () =>
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
};
export type Listing = InferAll<typeof listing>;
export const UserPage = object(
  {
    items: list(User),
    nextCursor: described("The `cursor` of the next page; null on the last page", nullable(anyText())),
  },
  "UserPage",
);
export type UserPage = Infer<typeof UserPage>;

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
  quotas: { maxInterviews: 10, maxStorage: 5_368_709_120 },
  createdAt: "2025-10-06T10:00:00.000Z",
  updatedAt: "2025-10-06T10:00:00.000Z",
};

/** What a user gets who chose nothing. */
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
