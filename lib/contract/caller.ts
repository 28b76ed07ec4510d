import { Forbidden, Unauthorized } from "./errors.ts";

/**
 * The caller: anonymous (`{internal: false}`), a signed-in user, another service, a service on behalf of a user, or this
 * service for a change that was made in Keycloak.
 */
export type Caller = {
  /** A service of ours: it came with the internal token, or from inside the cluster. */
  internal: boolean;
  user?: { sub: string; email?: string; admin: boolean };
  /** The change was made in Keycloak; `eventId` is the event that reported it, if one did (contract 27). */
  keycloak?: { eventId?: string };
};

/** What a token says of its user; `issuedAt` is in seconds since 1970. */
export type SignUp = { keycloakId: string; email: string; fullName: string; issuedAt: number };

/** What `avatars.get` reports of the image that it streams, in `ctx.meta.avatar`; `length` in bytes. */
export type AvatarMeta = { contentType: string; etag: string; version: string; length?: number };

/** What a call from the gateway carries besides its params (contract 12), and its answer besides the result. */
export type Meta = {
  caller?: Caller;
  /** The caller's own id for the request, which its events carry (contract 21). */
  correlationId?: string;
  /** In an answer: the version of the user's row (contract 20). */
  version?: number;
  /** In an answer: describes the streamed image. */
  avatar?: AvatarMeta;
  /** For an action that declares `idempotent` (contract 21). */
  idempotencyKey?: string;
  /** In an answer: it is the stored answer for the idempotency key. */
  replayed?: boolean;
  /** The token's user, who is created if missing: only `GET /users/me` with USERS_AUTO_CREATE (contract 27). */
  signUp?: SignUp;
  /** Set by an action that creates a user only if it is missing: it created one. */
  created?: boolean;
};

/**
 * The callers that an action allows; each action declares one of these (contract 2).
 * - `anyone`
 * - `owner`: the user with this `id`; admin, internal
 * - `person`: the user with this `id`, also if deleted; an admin's token, also with an internal one
 * - `keycloak-owner`: the user with this `keycloakId`; admin, internal
 * - `admin`: admin, internal
 * - `admin-only`: an admin's token, also with an internal one
 * - `internal`: other services only
 */
export type Access = "anyone" | "owner" | "person" | "keycloak-owner" | "admin" | "admin-only" | "internal";

/** A call without a caller comes from inside the cluster, which is the boundary of trust (contract 12). */
export const callerOf = (meta: Meta): Caller => meta.caller ?? { internal: true };

/** What a service may not do on its own: it needs the token of a user. */
const NEEDS_USER: Access[] = ["person", "admin-only"];

/**
 * The checks that need no params: the caller is checked before the params are validated (contract 3).
 * @throws Unauthorized for an anonymous caller, Forbidden for a user whose role is not allowed
 */
export function demandRole(access: Access, caller: Caller): void {
  const { internal, user } = caller;
  if (access === "anyone" || (internal && !NEEDS_USER.includes(access))) return;
  if (!internal && !user) throw new Unauthorized();
  if (access === "internal") throw new Forbidden("For internal services only");
  if (access === "person" && !user) throw new Forbidden("For the user and administrators only");
  if (access.startsWith("admin") && !user?.admin) throw new Forbidden("For administrators only");
}

/** @throws Forbidden if a user asks for another user's data */
export function demandOwnership(keycloakId: string, caller: Caller): void {
  if (caller.internal || caller.user?.admin || caller.user?.sub === keycloakId) return;
  throw new Forbidden("Access to another user's data is denied");
}
