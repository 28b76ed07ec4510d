import { action } from "../../lib/contract/action.ts";
import { UserNotFound } from "../../lib/contract/errors.ts";
import { event } from "../../lib/contract/events.ts";
import {
  described,
  flag,
  type Infer,
  nullable,
  object,
  oneOf,
  text,
  time,
} from "../../lib/contract/fields.ts";
import { ADA, id, keycloakId } from "../users/users.fields.ts";
import { mirrorActions } from "./identities.mirror.contract.ts";

export * from "./identities.mirror.contract.ts";

/** The status of users, and what is known of them from Keycloak (contract 27). */

export const STATUSES = ["active", "suspended"] as const;
const reason = text(1, 500);

export const Identity = object(
  {
    status: oneOf(STATUSES),
    reason: described("Why the user is suspended", nullable(reason)),
    emailVerified: described("Null if it is not known", nullable(flag())),
    lastSeenAt: described("Of the last sign-in; null if none is known", nullable(time())),
    lastSyncedAt: described("Of the last comparison with Keycloak; null if there was none", nullable(time())),
  },
  "Identity",
);
export type Identity = Infer<typeof Identity>;

const ada = { id: ADA.id };
const active: Identity = {
  status: "active",
  reason: null,
  emailVerified: null,
  lastSeenAt: null,
  lastSyncedAt: null,
};
const suspended: Identity = { ...active, status: "suspended", reason: "Sent spam" };
const read = { logAs: "identity_read", logLevel: "debug" } as const;

export const actions = {
  get: action({
    rest: "GET /users/:id/identity",
    access: "owner",
    ...read,
    params: { id },
    result: Identity,
    operationId: "getIdentity",
    summary: "Get the status of a user, and what is known from Keycloak",
    example: { params: ada, result: active },
  }),
  /** For `/users/me/identity`. */
  getByKeycloakId: action({
    access: "keycloak-owner",
    whileSuspended: true,
    ...read,
    params: { keycloakId },
    result: Identity,
    summary: "Get the status of a user by the id in Keycloak",
    errors: [new UserNotFound("Keycloak ID", ADA.keycloakId)],
  }),
  suspend: action({
    rest: "POST /users/:id/suspend",
    access: "admin",
    logAs: "user_suspend",
    params: { id, reason },
    result: Identity,
    operationId: "suspendUser",
    summary: "Suspend a user: the user's own tokens are refused",
    example: { params: { ...ada, reason: "Sent spam" }, result: suspended },
  }),
  activate: action({
    rest: "POST /users/:id/activate",
    access: "admin",
    logAs: "user_activate",
    params: { id },
    result: Identity,
    operationId: "activateUser",
    summary: "End the suspension of a user",
    example: { params: ada, result: active },
  }),
  ...mirrorActions,
};

export const events = {
  "user.suspended": event({
    summary: "A user was suspended, or is suspended for another reason now",
    data: { reason },
    example: { reason: "Sent spam" },
  }),
  "user.activated": event({ summary: "The suspension of a user ended", data: {}, example: {} }),
};
