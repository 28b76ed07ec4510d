import { action } from "../../lib/contract/action.ts";
import { EmailTaken, KeycloakIdTaken, UserNotFound } from "../../lib/contract/errors.ts";
import { anyText, email, ifVersion, object, optional } from "../../lib/contract/fields.ts";
import { deletedActions } from "./users.deleted.contract.ts";
import { erasureActions } from "./users.erasure.contract.ts";
import {
  ADA,
  DEFAULT_PREFERENCES,
  FoundUsers,
  id,
  keycloakId,
  listing,
  lookup,
  Preferences,
  preferencesPatch,
  profile,
  Resolved,
  resolving,
  User,
  UserPage,
} from "./users.fields.ts";
import { historyActions, past, unknownVersion } from "./users.history.contract.ts";
import { keycloakActions } from "./users.keycloak.contract.ts";

export * from "./users.erasure.contract.ts";
export * from "./users.events.ts";
export * from "./users.fields.ts";
export * from "./users.history.contract.ts";
export * from "./users.names.contract.ts";

/** The actions on users, their profiles and their preferences (contract 2 and 12). */

const Message = object({ message: anyText() }, "Message");

const ada = { id: ADA.id };

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
  lookup: action({
    rest: "POST /users/lookup",
    access: "admin",
    ...read,
    params: lookup,
    result: FoundUsers,
    operationId: "lookUpUsers",
    summary: "Get many users at once: together at most 100 ids, Keycloak ids and e-mails",
    example: {
      params: { keycloakIds: [ADA.keycloakId], emails: [ADA.email, "nobody@example.com"] },
      result: { items: [ADA], missing: { ids: [], keycloakIds: [], emails: ["nobody@example.com"] } },
    },
  }),
  /** moleculer-db calls it for other services that name it in their `populates`. */
  resolve: action({
    access: "admin",
    ...read,
    params: resolving,
    result: Resolved,
    summary: "Get users by id, as moleculer-db's `populates` asks for them: at most 1,000",
  }),
  get: action({
    rest: "GET /users/:id",
    access: "owner",
    ...read,
    params: { id, ...past },
    result: User,
    operationId: "getUser",
    summary: "Get a user",
    errors: [unknownVersion],
    example: { params: ada, result: ADA },
  }),
  getByKeycloakId: action({
    rest: "GET /users/by-keycloak/:keycloakId",
    access: "keycloak-owner",
    ...read,
    params: { keycloakId, ...past },
    result: User,
    operationId: "getUserByKeycloakId",
    summary: "Get a user by the id in Keycloak",
    errors: [new UserNotFound("Keycloak ID", ADA.keycloakId), unknownVersion],
    example: { params: { keycloakId: ADA.keycloakId }, result: ADA },
  }),
  ensure: action({
    rest: "PUT /users/by-keycloak/:keycloakId",
    status: "200 or 201",
    access: "keycloak-owner",
    logAs: "user_create",
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
    params: {
      id,
      ifVersion,
      profile: optional(object({ ...profile, fullName: optional(profile.fullName) })),
    },
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
    params: { id, ifVersion, ...profile },
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
    params: { id, ifVersion, email: email() },
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
    params: { id, ifVersion },
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
    params: { id, ifVersion, ...preferencesPatch },
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
  ...historyActions,
  ...keycloakActions,
  ...deletedActions,
  ...erasureActions,
};
