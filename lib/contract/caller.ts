import type { AvatarMeta } from "../../services/avatars/avatars.contract.ts";
import { Forbidden, Unauthorized } from "./errors.ts";

/** Who is calling: nobody (`{internal: false}`), a signed-in user, another service, or a service for a user. */
export type Caller = {
  /** A service of ours: it came with the internal token, or from inside the cluster. */
  internal: boolean;
  user?: { sub: string; email?: string; admin: boolean };
};

/** What a call of the gateway carries beside its params (contract 12), and what its answer carries beside the result. */
export type Meta = {
  caller?: Caller;
  /** The caller's own id for the request, which its events carry (contract 21). */
  correlationId?: string;
  /** Of an answer: the version of the user's row (contract 20). */
  version?: number;
  /** Of an answer: what the image is that it streams. */
  avatar?: AvatarMeta;
  /** Of an action that declares `idempotent` (contract 21). */
  idempotencyKey?: string;
  /** Of an answer: it is the stored answer to its idempotency key. */
  replayed?: boolean;
  /** Set by an action that creates only what is missing: it did. */
  created?: boolean;
};

/**
 * Who may call an action; each action declares one (contract 2).
 * - `anyone`
 * - `owner`: whose `id` it is; admin, internal
 * - `keycloak-owner`: whose `keycloakId` it is; admin, internal
 * - `admin`: admin, internal
 * - `internal`: other services only
 */
export type Access = "anyone" | "owner" | "keycloak-owner" | "admin" | "internal";

/** A call from inside the cluster names no caller: the cluster is the boundary of trust (contract 12). */
export const callerOf = (meta: Meta): Caller => meta.caller ?? { internal: true };

/**
 * The checks that need no params: the caller is checked before the params are validated (contract 3).
 * @throws Unauthorized for nobody, Forbidden if no user may, or only admins may
 */
export function demandRole(access: Access, caller: Caller): void {
  if (access === "anyone" || caller.internal) return;
  if (!caller.user) throw new Unauthorized();
  if (access === "internal") throw new Forbidden("For internal services only");
  if (access === "admin" && !caller.user.admin) throw new Forbidden("For administrators only");
}

/** @throws Forbidden for a user who asks for the data of another */
export function demandOwnership(keycloakId: string, caller: Caller): void {
  if (caller.internal || caller.user?.admin || caller.user?.sub === keycloakId) return;
  throw new Forbidden("Access to another user's data is denied");
}
