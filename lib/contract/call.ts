import type { Context } from "moleculer";
import type { Actions, InternalActions } from "../../services/contracts.ts";

type AllActions = Actions & InternalActions;
type CallOptions = NonNullable<Parameters<Context["call"]>[2]>;

/**
 * The one way from service to service: an action by its name, with its params and its result typed.
 * Rejects with the action's error, whose `type` says which (SPEC 12).
 */
export function call<Name extends keyof AllActions>(
  ctx: Pick<Context, "call">,
  action: Name,
  params: AllActions[Name]["params"],
  options: CallOptions = {},
): Promise<AllActions[Name]["result"]> {
  return ctx.call<AllActions[Name]["result"], AllActions[Name]["params"]>(action, params, options);
}
