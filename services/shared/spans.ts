import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Middleware, Service, ServiceBroker, Span } from "moleculer";
import { readTraceparent } from "./trace-context.ts";

/** Spans of what is no action and no event: Moleculer's own tracer makes those. */

const calls = new AsyncLocalStorage<Context>();

/** Has whatever an action or a listener awaits know the call that it is part of. */
export const CallContext: Middleware = {
  name: "CallContext",
  localAction: (next) =>
    function inCall(this: Service, ctx: Context & { tracing?: boolean | null }) {
      return ctx.tracing === false ? next.call(this, ctx) : calls.run(ctx, () => next.call(this, ctx));
    },
  localEvent: (next) =>
    function inEvent(this: Service, ctx: Context & { tracing?: boolean | null }) {
      return ctx.tracing === false ? next.call(this, ctx) : calls.run(ctx, () => next.call(this, ctx));
    },
};

/** Notes a query that has just taken `ms`, below the call that made it. `name` says which statement, never its values. */
export function noteQuery(name: string, ms: number): void {
  const parent = calls.getStore()?.span;
  if (!parent?.sampled) return;
  const now = parent.getTime();
  const span = parent.startSpan(`SQL ${name}`, { type: "client", tags: { "db.system": "postgresql" } });
  span.startTime = now - ms;
  span.finish(now);
}

/** Starts a span below one elsewhere, a record's `traceparent`; undefined where that trace is not recorded. */
export function startSpanBelow(
  broker: Pick<ServiceBroker, "tracer" | "isTracingEnabled">,
  traceparent: string | null | undefined,
  name: string,
  type: "producer" | "consumer",
): Span | undefined {
  if (!broker.isTracingEnabled()) return;
  const parent = readTraceparent(traceparent);
  if (!parent?.sampled) return;
  return broker.tracer.startSpan(name, {
    type,
    traceID: parent.traceID,
    parentID: parent.id,
    sampled: true,
  });
}
