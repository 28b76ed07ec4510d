import type { Context, ServiceSchema } from "moleculer";
import { type Access, callerOf, demandOwnership, demandRole, type Meta } from "../lib/contract/caller.ts";
import { UserNotFound } from "../lib/contract/errors.ts";
import type { UserRow } from "../models/user.ts";
import { findAnyUser, findUser } from "../models/user-row.ts";

/** For the handler of an action with `access: "owner"` or `"person"`: the user with the given `id`, as read by the access check. */
export const userOf = (ctx: Pick<Context, "locals">): UserRow => ctx.locals.user;

type Checked = Context<{ id: string; keycloakId: string }, Meta, { user?: UserRow }>;

/**
 * Enforces the access that each action declares, inside the action and on its validated params, whoever calls it
 * (contract 12). Order: caller, existence (404), ownership (403).
 */
export async function checkAccess(ctx: Checked): Promise<void> {
  const access = ctx.action?.access as Access;
  const caller = callerOf(ctx.meta);
  demandRole(access, caller);
  if (access === "keycloak-owner") demandOwnership(ctx.params.keycloakId, caller);
  if (access !== "owner" && access !== "person") return;
  const user = await (access === "owner" ? findUser : findAnyUser)(ctx.params.id);
  if (!user) throw new UserNotFound("ID", ctx.params.id);
  demandOwnership(user.keycloakId, access === "person" ? { ...caller, internal: false } : caller);
  ctx.locals.user = user;
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
