import type { Context } from "moleculer";

/** The trace that a call belongs to: W3C's `traceparent` outside, Moleculer's own fields between nodes. */

/** A span that ours hang below, as Moleculer's calls and events take it for their `parentSpan`. */
export type ParentSpan = Context.ContextParentSpan;

/**
 * version-traceid-parentid-flags; version ff and ids of zeros are not valid, and what follows is for versions
 * after 00 alone (W3C Trace Context, 3.2).
 */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|(?<!^00.*)-)/;

/** The caller's own span where it sent a valid `traceparent`, and whether it is recorded. */
export function readTraceparent(traceparent: string | string[] | null | undefined): ParentSpan | undefined {
  const [, traceID, id, flags = ""] = TRACEPARENT.exec(String(traceparent)) ?? [];
  return traceID && id ? { id, traceID, sampled: (Number.parseInt(flags, 16) & 1) === 1 } : undefined;
}

/** The hex digits of an id; Moleculer's own default ids are UUIDs, with dashes. */
const digitsOf = (id: string) => id.replaceAll("-", "").toLowerCase();

/** Where W3C takes only 32 digits for a trace, a foreign node may have named it otherwise: undefined then. */
export const toTraceId = (requestID: string): string | undefined =>
  /^(?!0{32})[0-9a-f]{32}$/.exec(digitsOf(requestID))?.[0];

/** A span's id has half the digits of the ids that Moleculer makes. */
export const toSpanId = (id: string): string => digitsOf(id).slice(0, 16);

/** Undefined where the trace is named as W3C does not allow. */
export function toTraceparent({ traceID, id, sampled }: ParentSpan): string | undefined {
  const trace = toTraceId(traceID);
  return trace && `00-${trace}-${toSpanId(id)}-${sampled ? "01" : "00"}`;
}

/** A call's own `traceparent`, for whoever goes on from it. Where nobody decided, whether to record is left to them. */
export const traceparentOf = (
  ctx: Pick<Context, "id" | "requestID"> & { tracing?: boolean | null },
): string | undefined =>
  toTraceparent({ traceID: ctx.requestID ?? ctx.id, id: ctx.id, sampled: ctx.tracing !== false });
