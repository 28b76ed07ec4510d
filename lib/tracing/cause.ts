import type { Context } from "moleculer";
import type { Cause } from "../contract/events.ts";
import { traceparentOf } from "./trace-context.ts";

/** The cause of what an action does: the trace of its call, which Moleculer carries as the requestID. */
export const causeOf = (ctx: Pick<Context, "id" | "requestID">): Cause => ({
  correlationId: ctx.requestID ?? ctx.id,
  traceparent: traceparentOf(ctx),
});
