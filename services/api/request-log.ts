import type { ServerResponse } from "node:http";
import type { Service } from "moleculer";
import { UUID } from "../../lib/contract/fields.ts";
import type { Request } from "./gateway.types.ts";

/** The log line of each request: its route, but not its URL or body, because those hold e-mails (contract 10). */

/** The matched route, such as `GET /api/v1/users/:id`; only the method if there is none. */
export const routeOf = ({ method, $alias }: Request): string =>
  `${method}${$alias ? ` ${$alias.fullPath}` : ""}`;

/** The user's id in the path, if it is a UUID. */
function userIdIn({ $params }: Request): string | undefined {
  const { id } = ($params ?? {}) as { id?: unknown };
  return typeof id === "string" && UUID.test(id) ? id : undefined;
}

/** Logs a request when its answer is sent, or its client has disconnected; `duration` in ms. */
export function logRequest(
  logger: Service["logger"],
  req: Request,
  res: ServerResponse,
  duration: number,
): void {
  const line = {
    action: "request",
    userId: userIdIn(req),
    traceId: req.$ctx.requestID,
    route: routeOf(req),
    status: res.statusCode,
    duration: Math.round(1000 * duration) / 1000,
    ...(!res.writableFinished && { aborted: true }),
    ...(req.$failure && { err: req.$failure }),
  };
  if (req.$failure) logger.error(line, "Request failed");
  else logger.info(line, "Request");
}
