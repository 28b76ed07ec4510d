import { call as callAny } from "../lib/contract/call.ts";
import type { Actions } from "../lib/contract/contracts.ts";

/** What other TypeScript projects import as `user-service/contracts` (SPEC 12). */

export type {
  ActionError,
  Actions,
  ConsumedEvents,
  Envelope,
  Events,
  FieldError,
  Preferences,
  Quotas,
  Stats,
  User,
  UserPage,
} from "../lib/contract/contracts.ts";

type Call = <Name extends keyof Actions>(
  from: Parameters<typeof callAny>[0],
  action: Name,
  params: Actions[Name]["params"],
  options?: Parameters<typeof callAny>[3],
) => Promise<Actions[Name]["result"]>;

/** Calls an action of the User Service, from a context or a broker. Rejects with an ActionError, or one of Moleculer's own. */
export const call: Call = callAny;
