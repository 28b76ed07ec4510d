import type { Context, Middleware, Service } from "moleculer";
import { isDatabaseError } from "../../models/database.errors.ts";
import { actionDuration } from "./metrics.ts";

/**
 * Records the rate, errors and duration of each action of this node, and logs each success (if it declares `logAs`) and
 * each failure that is not the caller's fault.
 */
export const Observe: Middleware = {
  name: "Observe",
  localAction(next, action) {
    const { name = "", logAs, logLevel = "info" } = action;
    if (name.startsWith("$")) return next;
    const done = actionDuration.labels(name, "ok");
    const refused = actionDuration.labels(name, "client_error");
    const failed = actionDuration.labels(name, "server_error");

    return async function observed(this: Service, ctx: Context<{ id?: string }>) {
      const start = performance.now();
      try {
        const result = await next.call(this, ctx);
        done.observe((performance.now() - start) / 1000);
        if (logAs && !ctx.locals.hadNoEffect)
          ctx.service?.logger[logLevel](lineOf(ctx, logAs, result), `Done: ${logAs}`);
        return result;
      } catch (error) {
        const isTheirs = Number((error as { code?: unknown }).code) < 500;
        (isTheirs ? refused : failed).observe((performance.now() - start) / 1000);
        if (!isTheirs) logFailure(ctx, name, error);
        throw error;
      }
    };
  },
};

type Call = Context<{ id?: string }>;

const lineOf = (ctx: Call, action: string, result?: { id?: string }) => ({
  userId: ctx.params.id ?? result?.id,
  action,
  traceId: ctx.requestID,
});

function logFailure(ctx: Call, name: string, error: unknown): void {
  const action = isDatabaseError(error) ? "database_error" : name;
  ctx.service?.logger.error({ ...lineOf(ctx, action), err: error }, `Failed: ${name}`);
}
