import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Middleware, Service, ServiceBroker, Span } from "moleculer";
import { config } from "../config/config.ts";
import { readTraceparent } from "./trace-context.ts";

/** The spans of this node, created by Moleculer's tracer: its calls and events, and their queries. */

type Call = Context & { tracing?: boolean | null };

const recorded = new AsyncLocalStorage<Span>();

/**
 * Creates a span for each action and listener, instead of Moleculer's own middleware, which creates one for every call
 * and then drops most. If the caller did not decide whether the trace is recorded, `sample` is the share that is.
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

/** Starts the span of a request that the gateway received; the code that answers it ends the span. */
export const startRequestSpan = (ctx: Call, name: string): Span | undefined =>
  config.tracing ? startSpanOf(ctx, name, "action", config.tracing.sample) : undefined;

/**
 * Records a query that has just taken `ms`, below the call that made it. `name` identifies the statement and holds no
 * values.
 */
export function noteQuery(name: string, ms: number): void {
  const parent = recorded.getStore();
  if (!parent) return;
  const now = parent.getTime();
  const span = parent.startSpan(`SQL ${name}`, { type: "client", tags: { "db.system": "postgresql" } });
  span.startTime = now - ms;
  span.finish(now);
}

/**
 * Starts a span below one of another process, given as a record's `traceparent`; undefined if that trace is not
 * recorded.
 */
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
