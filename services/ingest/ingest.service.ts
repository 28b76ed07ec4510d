import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import type { ConsumedEventType } from "../shared/contracts.ts";
import { CONSUMED } from "../shared/events.ts";
import { ingest, retryWaiting } from "./ingest.ts";

const RETRY_EVERY = 500; // ms

/** The consumed events, emitted natively by other Moleculer services; the whole envelope is `ctx.params` (SPEC 7). */
const listeners = Object.fromEntries(
  Object.entries(CONSUMED).map(([eventType, { topic }]) => [
    eventType as ConsumedEventType,
    async function (this: { logger: Context["broker"]["logger"] }, ctx: Context) {
      const event = await ingest(ctx, topic, Buffer.from(JSON.stringify(ctx.params ?? null)));
      const { userId, correlationId } = event ?? {};
      this.logger.info(
        { action: "event_consume", userId, traceId: correlationId ?? ctx.requestID },
        eventType,
      );
    },
  ]),
);

/** Reads what the neighbours tell, and has `stats` count it. */
const IngestService: ServiceSchema<ServiceSettingSchema, object, { retrying?: NodeJS.Timeout }> = {
  name: "ingest",
  dependencies: ["stats"],
  events: listeners,

  started() {
    const retry = () => retryWaiting(this.broker).catch((error) => this.logger.warn(error));
    this.retrying = setInterval(retry, RETRY_EVERY).unref();
  },

  stopped() {
    clearInterval(this.retrying);
  },
};

export default IngestService;
