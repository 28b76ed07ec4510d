import type { ServerResponse } from "node:http";
import type { Service } from "moleculer";
import { UUID } from "../../lib/contract/fields.ts";
import type { Request } from "./gateway.types.ts";

/** The log line of each request: its route, and never its URL or its body, as those hold e-mails (contract 10). */

/** The pattern that the request matched, such as `GET /api/v1/users/:id`; the method alone if it matched none. */
export const routeOf = ({ method, $alias }: Request): string =>
  `${method}${$alias ? ` ${$alias.fullPath}` : ""}`;

/** The user's id in the path, if it is a UUID. */
function userIdIn({ $params }: Request): string | undefined {
  const { id } = ($params ?? {}) as { id?: unknown };
  return typeof id === "string" && UUID.test(id) ? id : undefined;
}

/** Logs a request when its answer is sent, or its client has left; `duration` in ms. */
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
