import { action } from "../../lib/contract/action.ts";
import { EmailTaken, KeycloakIdTaken, RestoreTooLate, UserErased } from "../../lib/contract/errors.ts";
import {
  anyText,
  described,
  list,
  nullable,
  object,
  streamed,
  time,
  uuid,
} from "../../lib/contract/fields.ts";
import { Identity } from "../identities/identities.contract.ts";
import { Quotas, Stats } from "../stats/stats.contract.ts";
import { Erasure } from "./users.erasure.contract.ts";
import { ADA, id, keycloakId, ListedUser, Preferences, User } from "./users.fields.ts";
import { HistoryEntry } from "./users.history.contract.ts";

/** Finding and restoring deleted users, and exporting all data of a person (contract 25). */

const Export = object(
  {
    exportedAt: time(),
    user: ListedUser,
    identity: Identity,
    preferences: Preferences,
    stats: Stats,
    quotas: Quotas,
    avatar: described("The largest image as a data URL; null if there is none", nullable(anyText())),
    history: described("Newest first", list(HistoryEntry)),
    erasures: list(Erasure),
    eventIds: described("Of the events that report the entries of the history", list(uuid())),
  },
  "Export",
);

export const deletedActions = {
  restore: action({
    rest: "POST /users/:id/restore",
    access: "admin-only",
    logAs: "user_restore",
    params: { id },
    result: User,
    operationId: "restoreUser",
    summary: "Restore a deleted user, without the avatar",
    errors: [
      new EmailTaken(ADA.email),
      new KeycloakIdTaken(ADA.keycloakId),
      new RestoreTooLate(ADA.id, 30),
      new UserErased(ADA.id),
    ],
    example: { params: { id: ADA.id }, result: ADA },
  }),
  export: action({
    rest: "GET /users/:id/export",
    access: "person",
    logAs: "user_export",
    params: { id },
    result: streamed(Export),
    operationId: "exportUser",
    summary: "Get all data of a user, also of a deleted one, as one JSON document",
    example: { params: { id: ADA.id } },
  }),
  /** For `/users/me`, also of a deleted user. */
  findPerson: action({
    access: "keycloak-owner",
    visibility: "public",
    params: { keycloakId },
    result: object({ id: uuid() }),
    summary: "Find the id of a user, or of the one that was deleted last",
  }),
};
