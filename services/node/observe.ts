import type { Context, Middleware, Service } from "moleculer";
import { actionDuration } from "../shared/metrics.ts";

/** For each action of this node: its rate, errors and duration, and the log line that it declares with `logAs`. */
export const Observe: Middleware = {
  name: "Observe",
  localAction(next, action) {
    const { name = "", logAs } = action;
    if (name.startsWith("$") || name === "api.rest") return next;
    const done = actionDuration.labels(name, "ok");
    const refused = actionDuration.labels(name, "client_error");
    const failed = actionDuration.labels(name, "server_error");

    return async function observed(this: Service, ctx: Context<{ id?: string }>) {
      const start = performance.now();
      try {
        const result = await next.call(this, ctx);
        done.observe((performance.now() - start) / 1000);
        if (logAs) log(ctx, logAs, result);
        return result;
      } catch (error) {
        const { code = 500 } = error as { code?: number };
        (code < 500 ? refused : failed).observe((performance.now() - start) / 1000);
        throw error;
      }
    };
  },
};

function log(ctx: Context<{ id?: string }>, action: string, result: { id?: string }): void {
  const userId = ctx.params.id ?? result.id;
  ctx.service?.logger.info({ userId, action, traceId: ctx.requestID }, `Done: ${action}`);
}
