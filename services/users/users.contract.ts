import { action } from "../../lib/contract/action.ts";
import { EmailTaken, KeycloakIdTaken, UserNotFound } from "../../lib/contract/errors.ts";
import { event } from "../../lib/contract/events.ts";
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
  withDefault,
} from "../../lib/contract/fields.ts";
import { ISO_DATE, toUtcDate } from "../../lib/contract/formats/iso-date.ts";
import { toLanguage } from "../../lib/contract/formats/language.ts";
import { toName } from "../../lib/contract/formats/person-name.ts";
import { toE164 } from "../../lib/contract/formats/phone.ts";
import { toTimezone } from "../../lib/contract/formats/timezone.ts";

/** Users, their profiles and their preferences (contract 1, 2, 4, 7 and 12). */

const id = uuid();
const keycloakId = text(1, 255);

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
const preferencesPatch = {
  language: optional(language),
  timezone: optional(timezone),
  notifications: optional(object(partial(notifications))),
};
export const Preferences = object(
  { language, timezone, notifications: object(notifications) },
  "Preferences",
);
export type Preferences = Infer<typeof Preferences>;
export type PreferencesPatch = InferAll<typeof preferencesPatch>;

export const User = object(
  {
    id,
    keycloakId: anyText(),
    email: anyText(),
    profile: object({ ...asResult(profile), avatarUrl: nullable(url()) }),
    stats: object({ interviewsCreated: count(), storageUsed: described("Bytes", count()) }),
    quotas: object({ maxInterviews: count(), maxStorage: described("Bytes", count()) }),
    createdAt: time(),
    updatedAt: time(),
  },
  "User",
);
export type User = Infer<typeof User>;

const Message = object({ message: anyText() }, "Message");

/** What a list can be sorted by; a leading `-` means descending. */
export const SORTS = ["createdAt", "updatedAt", "email", "fullName"] as const;

const moment = () =>
  optional(
    text(1, 40, toUtcDate, {
      pattern: ISO_DATE.source,
      description: "ISO 8601; without a time, midnight; without a zone, UTC",
    }),
  );
const listing = {
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
const ada = { id: ADA.id };

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

const read = { logAs: "user_read", logLevel: "debug" } as const;

export const actions = {
  create: action({
    rest: "POST /users",
    status: 201,
    idempotent: true,
    access: "keycloak-owner",
    logAs: "user_create",
    params: { keycloakId, email: email(), profile: object(profile) },
    result: User,
    operationId: "createUser",
    summary: "Create a user, right after sign-up in Keycloak",
    errors: [new EmailTaken(ADA.email), new KeycloakIdTaken(ADA.keycloakId)],
    example: {
      params: {
        keycloakId: ADA.keycloakId,
        email: ADA.email,
        profile: { fullName: "Ada Lovelace", companyName: "Analytical Engines" },
      },
      result: ADA,
    },
  }),
  list: action({
    rest: "GET /users",
    access: "admin",
    ...read,
    params: listing,
    result: UserPage,
    operationId: "listUsers",
    summary: "List users, a page at a time",
    example: {
      params: { limit: 20, sort: "-createdAt", search: "ada" },
      result: { items: [ADA], nextCursor: null },
    },
  }),
  get: action({
    rest: "GET /users/:id",
    access: "owner",
    ...read,
    params: { id },
    result: User,
    operationId: "getUser",
    summary: "Get a user",
    example: { params: ada, result: ADA },
  }),
  getByKeycloakId: action({
    rest: "GET /users/by-keycloak/:keycloakId",
    access: "keycloak-owner",
    ...read,
    params: { keycloakId },
    result: User,
    operationId: "getUserByKeycloakId",
    summary: "Get a user by the id in Keycloak",
    errors: [new UserNotFound("Keycloak ID", ADA.keycloakId)],
    example: { params: { keycloakId: ADA.keycloakId }, result: ADA },
  }),
  ensure: action({
    rest: "PUT /users/by-keycloak/:keycloakId",
    status: "200 or 201",
    access: "keycloak-owner",
    params: { keycloakId, email: email(), profile: object(profile) },
    result: User,
    operationId: "ensureUser",
    summary: "Get a user by the id in Keycloak, created if there is none; an existing one stays unchanged",
    errors: [new EmailTaken("king@example.com")],
    example: {
      params: { keycloakId: ADA.keycloakId, email: ADA.email, profile: { fullName: "Ada Lovelace" } },
      result: ADA,
    },
  }),
  getByEmail: action({
    rest: "GET /users/by-email/:email",
    access: "admin",
    ...read,
    params: { email: email() },
    result: User,
    operationId: "getUserByEmail",
    summary: "Get a user by e-mail",
    errors: [new UserNotFound("email", ADA.email)],
    example: { params: { email: ADA.email }, result: ADA },
  }),
  update: action({
    rest: "PATCH /users/:id",
    access: "owner",
    logAs: "user_update",
    params: { id, profile: optional(object({ ...profile, fullName: optional(profile.fullName) })) },
    result: User,
    operationId: "updateUser",
    summary: "Change parts of a profile: omitted fields stay, null clears",
    example: {
      params: { ...ada, profile: { phone: "+49 30 901820", companyName: null } },
      result: { ...ADA, profile: { ...ADA.profile, phone: "+4930901820", companyName: null } },
    },
  }),
  replaceProfile: action({
    rest: "PUT /users/:id/profile",
    access: "owner",
    logAs: "user_update",
    params: { id, ...profile },
    result: User,
    operationId: "replaceProfile",
    summary: "Replace a whole profile: omitted fields are cleared",
    example: {
      params: { ...ada, fullName: "Ada King", bio: "First programmer" },
      result: {
        ...ADA,
        profile: { ...ADA.profile, fullName: "Ada King", companyName: null, bio: "First programmer" },
      },
    },
  }),
  changeEmail: action({
    rest: "PUT /users/:id/email",
    access: "admin",
    logAs: "user_update",
    params: { id, email: email() },
    result: User,
    operationId: "changeEmail",
    summary: "Change the e-mail, after it was changed in Keycloak",
    errors: [new EmailTaken("king@example.com")],
    example: {
      params: { ...ada, email: "king@example.com" },
      result: { ...ADA, email: "king@example.com" },
    },
  }),
  remove: action({
    rest: "DELETE /users/:id",
    access: "owner",
    logAs: "user_delete",
    params: { id },
    result: Message,
    operationId: "removeUser",
    summary: "Delete a user",
    example: { params: ada, result: { message: "User deleted successfully" } },
  }),
  getPreferences: action({
    rest: "GET /users/:id/preferences",
    access: "owner",
    params: { id },
    result: Preferences,
    operationId: "getPreferences",
    summary: "Get a user's preferences",
    example: { params: ada, result: DEFAULT_PREFERENCES },
  }),
  updatePreferences: action({
    rest: "PATCH /users/:id/preferences",
    access: "owner",
    logAs: "preferences_update",
    params: { id, ...preferencesPatch },
    result: Preferences,
    operationId: "updatePreferences",
    summary: "Change parts of the preferences",
    example: {
      params: { ...ada, language: "EN-gb", notifications: { marketing: true } },
      result: {
        ...DEFAULT_PREFERENCES,
        language: "en-GB",
        notifications: { ...DEFAULT_PREFERENCES.notifications, marketing: true },
      },
    },
  }),
};

export const events = {
  "user.created": event({
    summary: "A user was created",
    data: { keycloakId: anyText(), email: anyText(), fullName: anyText(), createdAt: time() },
    example: {
      keycloakId: ADA.keycloakId,
      email: ADA.email,
      fullName: ADA.profile.fullName,
      createdAt: ADA.createdAt,
    },
  }),
  "user.updated": event({
    summary: "A profile or an e-mail changed; `changes` holds only what changed",
    data: { changes: object(partial({ ...asResult(profile), email: anyText() })) },
    example: { changes: { phone: "+4930901820", companyName: null } },
  }),
  "user.deleted": event({
    summary: "A user was deleted",
    data: { deletedAt: time(), reason: oneOf(["user_request", "admin_request", "internal_request"]) },
    example: { deletedAt: ADA.createdAt, reason: "user_request" },
  }),
  "user.preferences_updated": event({
    summary: "Preferences changed; `changes` holds only what changed",
    data: { changes: object(preferencesPatch) },
    example: { changes: { language: "en-GB", notifications: { marketing: true } } },
  }),
};
