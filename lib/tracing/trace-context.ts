import type { Context } from "moleculer";

/** The trace of a call: W3C's `traceparent` over HTTP and Kafka, Moleculer's own fields between nodes. */

/** The parent of our spans, as Moleculer's calls and events accept it in `parentSpan`. */
export type ParentSpan = Context.ContextParentSpan;

/** version-traceid-parentid-flags, and what later versions may add (W3C Trace Context, 3.2). */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ONLY_ZEROS = /^0+$/;

/** The caller's own span if it sent a valid `traceparent`, with its decision whether to record. */
export function readTraceparent(traceparent: string | string[] | null | undefined): ParentSpan | undefined {
  const [, version, traceID = "", id = "", flags = "", more] = TRACEPARENT.exec(String(traceparent)) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (version === "00" && more !== undefined) return undefined;
  if (ONLY_ZEROS.test(traceID) || ONLY_ZEROS.test(id)) return undefined;
  return { id, traceID, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The hex digits of an id; Moleculer's own default ids are UUIDs, with dashes. */
const digitsOf = (id: string) => id.replaceAll("-", "").toLowerCase();

/** The trace id in W3C's form; undefined if a foreign node uses ids of another form. */
export const toTraceId = (requestID: string): string | undefined =>
  /^(?!0{32})[0-9a-f]{32}$/.exec(digitsOf(requestID))?.[0];

/** A span's id has half the digits of Moleculer's ids. */
export const toSpanId = (id: string): string => digitsOf(id).slice(0, 16);

/** Undefined if the trace's id does not have W3C's form. */
export function toTraceparent({ traceID, id, sampled }: ParentSpan): string | undefined {
  const trace = toTraceId(traceID);
  return trace && `00-${trace}-${toSpanId(id)}-${sampled ? "01" : "00"}`;
}

/**
 * The `traceparent` of a call, for the calls that it makes. If nobody decided whether to record the trace, it is
 * recorded.
 */
export const traceparentOf = (
  ctx: Pick<Context, "id" | "requestID"> & { tracing?: boolean | null },
): string | undefined =>
  toTraceparent({ traceID: ctx.requestID ?? ctx.id, id: ctx.id, sampled: ctx.tracing !== false });
