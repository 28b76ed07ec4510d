import { parsePhoneNumberFromString } from "libphonenumber-js";
import type { Preferences } from "../../lib/contract/contracts.ts";
import {
  canonicalText,
  email,
  fault,
  flag,
  integer,
  object,
  optional,
  optionalText,
  params,
  type Rule,
  text,
  uuid,
} from "../../lib/contract/fields.ts";

/** What the users' actions take (SPEC 2 and 4). */

/** E.164 where the number parses; only `+…` can be parsed without guessing a country. */
const toE164 = (phone: string): string =>
  (phone.startsWith("+") && parsePhoneNumberFromString(phone)?.number) || phone;

/** BCP 47, in canonical form: `EN-us` is stored as `en-US`. */
const language = canonicalText(100, { description: "A BCP 47 language tag" }, (tag) => {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? fault("must be a BCP 47 language tag");
  } catch {
    return fault("must be a BCP 47 language tag");
  }
});

/** A name of the IANA time zone database; Intl takes offsets such as `+01:00` too, which are none. */
const timezone = canonicalText(100, { description: "An IANA time zone" }, (zone) => {
  try {
    if (/^[+-]/.test(zone)) return fault("must be an IANA time zone");
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return fault("must be an IANA time zone");
  }
});

const keycloakId = text(1, 255);

const profile = {
  fullName: text(2, 100),
  companyName: optionalText(100),
  phone: optionalText(50, toE164),
  bio: optionalText(2000),
};
const profilePatch = { ...profile, fullName: optional(profile.fullName) };

const notifications: Record<keyof Preferences["notifications"], Rule> = {
  email: optional(flag()),
  interviewInvitation: optional(flag()),
  interviewReminder: optional(flag()),
  analysisReady: optional(flag()),
  quotaWarning: optional(flag()),
  marketing: optional(flag()),
};

export const create = params({ keycloakId, email: email(), profile: object(profile) });
export const byId = params({ id: uuid() });
export const byKeycloakId = params({ keycloakId });
export const byEmail = params({ email: email() });
export const update = params({ id: uuid(), profile: optional(object(profilePatch)) });
export const replaceProfile = params({ id: uuid(), ...profile });
export const changeEmail = params({ id: uuid(), email: email() });
export const updatePreferences = params({
  id: uuid(),
  language: optional(language),
  timezone: optional(timezone),
  notifications: optional(object(notifications)),
});

/** What a list can be sorted by; `-` before it for descending. */
export const SORTS = ["createdAt", "updatedAt", "email", "fullName"] as const;

const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** A moment in ISO 8601 (a date alone is its midnight, UTC), in the form that PostgreSQL compares with. */
const moment = () =>
  optional(
    canonicalText(
      40,
      { pattern: ISO_DATE.source, description: "ISO 8601; without a time, midnight UTC" },
      (value) => {
        const date = new Date(ISO_DATE.test(value) ? value : Number.NaN);
        // PostgreSQL has no year 0
        return date.getUTCFullYear() >= 1 ? date.toISOString() : fault("must be an ISO 8601 date");
      },
    ),
  );

export const list = params({
  limit: { ...integer(1, 100, { convert: true }), default: 20 },
  cursor: optional(text(1, 2000)),
  sort: {
    type: "enum",
    values: SORTS.flatMap((field) => [field, `-${field}`]),
    nullable: false,
    default: "-createdAt",
  },
  search: optional(text(1, 255)),
  email: optional(email()),
  keycloakId: optional(keycloakId),
  companyName: optional(text(1, 100)),
  createdFrom: moment(),
  createdTo: moment(),
});
