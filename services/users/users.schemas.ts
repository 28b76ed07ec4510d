import type { Preferences } from "../../lib/contract/contracts.ts";
import {
  email,
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
import { ISO_DATE, toUtcDate } from "../../lib/contract/formats/iso-date.ts";
import { toLanguage } from "../../lib/contract/formats/language.ts";
import { toName } from "../../lib/contract/formats/person-name.ts";
import { toE164 } from "../../lib/contract/formats/phone.ts";
import { toTimezone } from "../../lib/contract/formats/timezone.ts";

/** What the users' actions take (contract 2 and 4). */

const language = text(1, 100, toLanguage, { description: "A BCP 47 language tag" });
const timezone = text(1, 100, toTimezone, { description: "An IANA time zone" });
const keycloakId = text(1, 255);

const profile = {
  fullName: text(2, 100, toName),
  companyName: optionalText(100, toName),
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

/** A moment in ISO 8601, in the form that PostgreSQL compares with. */
const moment = () =>
  optional(
    text(1, 40, toUtcDate, {
      pattern: ISO_DATE.source,
      description: "ISO 8601; without a time, midnight; without a zone, UTC",
    }),
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
