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
import { findAnyUser, findUser, findUserByKeycloakId } from "../models/user-row.ts";

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

/** How the access check finds the user with the given `id`. */
const FIND: Partial<Record<Access, typeof findAnyUser>> = { owner: findUser, person: findAnyUser };

/**
 * Enforces the access that each action declares, inside the action and on its validated params, whoever calls it
 * (contract 12). Order: caller, suspension (403), existence (404), ownership (403).
 */
export async function checkAccess(ctx: Checked): Promise<void> {
  const { access = "internal", whileSuspended } = ctx.action ?? {};
  const { id, keycloakId } = ctx.params;
  const caller = callerOf(ctx.meta);
  demandRole(access, caller);
  const asked = await FIND[access]?.(id);
  const own = await ownUser(caller, asked);
  const isOwn = own?.keycloakId === keycloakId;
  if (own?.status === "suspended" && !(isOwn && whileSuspended)) throw new AccountSuspended();
  if (access === "keycloak-owner") {
    demandOwnership(keycloakId, caller);
    if (isOwn) ctx.locals.user = own;
  }
  if (!(access in FIND)) return;
  if (!asked) throw new UserNotFound("ID", id);
  demandOwnership(asked.keycloakId, access === "person" ? { ...caller, internal: false } : caller);
  ctx.locals.user = asked;
}

/** The row of the user whose token it is: the asked one, so that owners cost no other query, or read by the token. */
async function ownUser({ user }: Caller, asked?: UserRow): Promise<UserRow | undefined> {
  if (!user) return undefined;
  return asked?.keycloakId === user.sub ? asked : findUserByKeycloakId(user.sub);
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
