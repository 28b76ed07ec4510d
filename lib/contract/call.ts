import type { Context } from "moleculer";
import type { Actions, InternalActions } from "../../services/contracts.ts";

type AllActions = Actions & InternalActions;
type CallOptions = NonNullable<Parameters<Context["call"]>[2]>;

/**
 * Calls an action of another service by its name, with typed params and result. Rejects with the action's error, which
 * is identified by its `type` (contract 12).
 */
export function call<Name extends keyof AllActions>(
  ctx: Pick<Context, "call">,
  action: Name,
  params: AllActions[Name]["params"],
  options: CallOptions = {},
): Promise<AllActions[Name]["result"]> {
  return ctx.call<AllActions[Name]["result"], AllActions[Name]["params"]>(action, params, options);
}
