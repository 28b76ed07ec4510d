import type { Context } from "moleculer";
import type { Meta } from "../contract/caller.ts";
import type { Cause } from "../contract/events.ts";
import { traceparentOf } from "./trace-context.ts";

/** A call, as far as its trace and its caller's own id for it are concerned. */
export type TracedCall = Pick<Context<unknown, Meta>, "id" | "requestID" | "meta">;

/**
 * The cause of what an action does: the caller's own id (contract 21), or the trace id, which Moleculer passes on as
 * requestID; and the event of Keycloak that it follows from (contract 27).
 */
export const causeOf = (ctx: TracedCall): Cause => ({
  correlationId: ctx.meta.correlationId ?? ctx.requestID ?? ctx.id,
  causationId: ctx.meta.caller?.keycloak?.eventId,
  traceparent: traceparentOf(ctx),
});
