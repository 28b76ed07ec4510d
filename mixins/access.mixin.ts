import type { Context, ServiceSchema } from "moleculer";
import {
  type Access,
  type Caller,
  callerOf,
  demandOwnership,
  demandRole,
  type Meta,
} from "../lib/contract/caller.ts";
import { AccountSuspended, UserNotFound } from "../lib/contract/errors.ts";
import type { UserRow } from "../models/user.ts";
import { findAnyUser, findUser, findUserByKeycloakId, isSuspended } from "../models/user-row.ts";

/** For the handler of an action with `access: "owner"` or `"person"`: the user with the given `id`, as read by the access check. */
export const userOf = (ctx: Pick<Context, "locals">): UserRow => ctx.locals.user;

/**
 * For the handler of an action with `access: "keycloak-owner"`: the user with the given `keycloakId`. The access check
 * has read it already if it is the caller's own.
 * @throws UserNotFound, DependencyUnavailable
 */
export async function userWithKeycloakId({
  params: { keycloakId },
  locals,
}: {
  params: { keycloakId: string };
  locals: { user?: UserRow };
}): Promise<UserRow> {
  const user = locals.user ?? (await findUserByKeycloakId(keycloakId));
  if (!user) throw new UserNotFound("Keycloak ID", keycloakId);
  return user;
}

type Checked = Context<{ id: string; keycloakId: string }, Meta, { user?: UserRow }>;

/**
 * Enforces the access that each action declares, inside the action and on its validated params, for every caller
 * (contract 12). Order: caller, suspension (403), existence (404), ownership (403).
 */
async function checkAccess(ctx: Checked): Promise<void> {
  const { access = "internal", whileSuspended } = ctx.action ?? {};
  const { params } = ctx;
  const caller = callerOf(ctx.meta);
  demandRole(access, caller);
  const user = await findAsked(access, params, caller);
  const keycloakId = access === "keycloak-owner" ? params.keycloakId : user?.keycloakId;
  const isOwn = keycloakId !== undefined && keycloakId === caller.user?.sub;
  const isKnown = isOwn && !user?.deletedAt; // beside a deleted row the user may have another one
  const suspended =
    (isOwn && user?.status === "suspended") ||
    (caller.user && !isKnown && (await isSuspended(caller.user.sub)));
  if (suspended && !(isOwn && whileSuspended)) throw new AccountSuspended();
  if (keycloakId !== undefined)
    demandOwnership(keycloakId, access === "person" ? { ...caller, internal: false } : caller);
  else if (access === "owner" || access === "person") throw new UserNotFound("ID", params.id);
  ctx.locals.user = user;
}

/** The user whom the access is about. One with a `keycloakId` is read only if it is the caller's own, for the status. */
async function findAsked(access: Access, { id, keycloakId }: Checked["params"], { user }: Caller) {
  if (access === "owner") return findUser(id);
  if (access === "person") return findAnyUser(id);
  return access === "keycloak-owner" && keycloakId === user?.sub
    ? findUserByKeycloakId(keycloakId)
    : undefined;
}

/** An action that does not declare its access prevents the start. */
function demandDeclarations(schema: Partial<ServiceSchema>): void {
  for (const [name, action] of Object.entries(schema.actions ?? {}))
    if (typeof action === "object" && !action.access)
      throw new Error(`The action ${schema.name}.${name} does not declare its access`);
}

export const AccessMixin: Partial<ServiceSchema> & { merged: typeof demandDeclarations } = {
  merged: demandDeclarations,
  hooks: { before: { "*": checkAccess as (ctx: Context) => Promise<void> } },
};
