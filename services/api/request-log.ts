import type { ServerResponse } from "node:http";
import type { Context, Service } from "moleculer";
import { UUID } from "../../lib/contract/fields.ts";
import { echoCorrelationId } from "../../lib/http/correlation.ts";
import { traceparentOf } from "../../lib/tracing/trace-context.ts";
import type { Request } from "./gateway.types.ts";

/** The log line of each request: its route, and never its URL or its body, as those hold e-mails (contract 10). */

type Rest = Context<{ req: Request; res: ServerResponse }>;

/** The pattern that the request matched, such as `GET /api/v1/users/:id`; the method alone if it matched none. */
export const routeOf = ({ method, $alias }: Request): string =>
  `${method}${$alias ? ` ${$alias.fullPath}` : ""}`;

/** The user's id in the path, if it is a UUID. */
function userIdIn({ $params }: Request): string | undefined {
  const { id } = ($params ?? {}) as { id?: unknown };
  return typeof id === "string" && UUID.test(id) ? id : undefined;
}

/** Sets the headers `traceparent` and `x-correlation-id`, and logs one line when the answer is sent or the client has left. */
export function traceAndLog(this: Service, ctx: Rest): void {
  const { req, res } = ctx.params;
  const start = performance.now();
  if (ctx.span) ctx.span.name = req.method ?? ""; // until its route is known
  const traceparent = traceparentOf(ctx);
  if (traceparent) res.setHeader("traceparent", traceparent);
  echoCorrelationId(req, res, ctx.requestID ?? ctx.id);
  res.once("close", () => {
    const line = {
      action: "request",
      userId: userIdIn(req),
      traceId: ctx.requestID,
      route: routeOf(req),
      status: res.statusCode,
      duration: Math.round(1000 * (performance.now() - start)) / 1000,
      ...(!res.writableFinished && { aborted: true }),
      ...(req.$failure && { err: req.$failure }),
    };
    if (req.$failure) this.logger.error(line, "Request failed");
    else this.logger.info(line, "Request");
  });
}
