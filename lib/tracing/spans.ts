import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Middleware, Service, ServiceBroker, Span } from "moleculer";
import { config } from "../runtime/config.ts";
import { readTraceparent } from "./trace-context.ts";

/** The spans of this node, made by Moleculer's tracer: of its calls and events, and of what those do. */

type Call = Context & { tracing?: boolean | null };

const recorded = new AsyncLocalStorage<Span>();

/**
 * A span for each action and listener, in the place of Moleculer's own middleware: that one makes a span of every call
 * and then drops most. Where nobody decided yet, `sample` is the share that is recorded.
 */
export const callSpans = (sample: number): Middleware => ({
  name: "CallSpans",
  localAction: (next, { name = "" }) => traced(next, name, "action", sample),
  localEvent: (next, { name, service }) => traced(next, `${name} in ${service?.name}`, "event", sample),
});

function traced<Handler extends (ctx: Call) => unknown>(
  next: Handler,
  name: string,
  type: "action" | "event",
  sample: number,
): Handler {
  function inSpan(this: Service, ctx: Call): unknown {
    const span = startSpanOf(ctx, name, type, sample);
    if (!span) return next.call(this, ctx);
    return recorded
      .run(span, async () => next.call(this, ctx))
      .catch((error) => {
        span.setError(error);
        throw error;
      })
      .finally(() => ctx.finishSpan(span));
  }
  return inSpan as Handler;
}

/** Starts the span of a call, an event or a request; undefined if its trace is not recorded. */
function startSpanOf(ctx: Call, name: string, type: "action" | "event", sample: number): Span | undefined {
  ctx.tracing ??= Math.random() < sample;
  if (!ctx.tracing) return undefined;
  const { id, requestID, parentID } = ctx;
  return ctx.startSpan(name, { id, type, traceID: requestID, parentID, sampled: true });
}

/** Starts the span of a request that the gateway received; who answers it finishes the span. */
export const startRequestSpan = (ctx: Call, name: string): Span | undefined =>
  config.tracing ? startSpanOf(ctx, name, "action", config.tracing.sample) : undefined;

/** Notes a query that has just taken `ms`, below the call that made it. `name` says which statement, never its values. */
export function noteQuery(name: string, ms: number): void {
  const parent = recorded.getStore();
  if (!parent) return;
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
