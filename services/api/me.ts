import type { ServerResponse } from "node:http";
import { call } from "../../lib/contract/call.ts";
import type { Access, Caller } from "../../lib/contract/caller.ts";
import { Unauthorized } from "../../lib/contract/errors.ts";
import type { Binding, Handler, Request } from "./gateway.types.ts";
import { demandValid } from "./large-body.ts";

/** "Me" is the user of the token (contract 23): the token provides the param that other routes have in their path. */

/** Replaces the id until the request is checked and the id is looked up. */
const UNKNOWN = "00000000-0000-0000-0000-000000000000";

/**
 * The params that the token provides.
 * @throws Unauthorized if there is no user: the internal token alone identifies none
 */
export function paramsOfMe(me: Binding["me"], { user }: Caller): Record<string, string> {
  if (!user) throw new Unauthorized("A user's token is required");
  return me === "keycloakId" ? { keycloakId: user.sub } : { id: UNKNOWN };
}

/** The same path answers differently per user: a cache must not mix up their answers and ETags. */
export function keepApart(res: ServerResponse): void {
  res.setHeader("Cache-Control", "private, no-cache");
  res.setHeader("Vary", "Authorization");
}

/** Looks up the id, then runs the route's own handler, or its action. */
export const withMyId = ({ action, handler }: Pick<Binding, "action" | "handler">): Handler =>
  function (req, res, next) {
    const run = (id: string) => {
      req.$params.id = id;
      return handler ? handler.call(this, req, res, next) : next();
    };
    findMyId(req, action).then(run).catch(next);
  };

/** Routes with this access are also for users that are deleted. */
const FOR_DELETED = new Set<unknown>(["person", "admin-only"] satisfies Access[]);

/** @throws UserNotFound, AccountSuspended, but ValidationFailed first (contract 3); DependencyUnavailable */
async function findMyId({ $ctx, $action, $params }: Request, action: string): Promise<string> {
  const keycloakId = $ctx.meta.caller?.user?.sub ?? "";
  const find = FOR_DELETED.has($action?.access) ? "users.findPerson" : "users.getByKeycloakId";
  const { id } = await call($ctx, find, { keycloakId }).catch((error) => {
    if (error.code < 500) demandValid(action, $params);
    throw error;
  });
  return id;
}
