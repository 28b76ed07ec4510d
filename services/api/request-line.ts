import type { ServerResponse } from "node:http";
import type { Context, Service } from "moleculer";
import { UUID } from "../../lib/contract/fields.ts";
import { traceparentOf } from "../../lib/tracing/trace-context.ts";
import type { Request } from "./gateway.types.ts";

/** What is told of each request: its route, and never its URL or its body, as e-mails stand there (SPEC 10). */

type Rest = Context<{ req: Request; res: ServerResponse }>;

/** The pattern that the request matched, such as `GET /api/v1/users/:id`; of what matched none, the method. */
export const routeOf = ({ method, $alias }: Request): string =>
  `${method}${$alias ? ` ${$alias.fullPath}` : ""}`;

/** The user that the path names, where what stands there is an id indeed. */
function userOf({ $params }: Request): string | undefined {
  const { id } = ($params ?? {}) as { id?: unknown };
  return typeof id === "string" && UUID.test(id) ? id : undefined;
}

/** Tells the trace in the answer, and writes one line when the answer is out, or the client gone. */
export function tellRequest(this: Service, ctx: Rest): void {
  const { req, res } = ctx.params;
  const start = performance.now();
  if (ctx.span) ctx.span.name = req.method ?? ""; // until its route is known
  const traceparent = traceparentOf(ctx);
  if (traceparent) res.setHeader("traceparent", traceparent);
  res.once("close", () => {
    const line = {
      action: "request",
      userId: userOf(req),
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
