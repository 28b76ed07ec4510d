import { appendFileSync } from "node:fs";
import type { Context, ServiceSchema } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";

/**
 * Joins the service under test: keeps what it heard in a file, which outlives kill -9, and emits what the test sends
 * over IPC, as another Moleculer service would.
 */
const HeardService: ServiceSchema = {
  name: "heard",
  events: {
    "user.created"({ params: { userId, eventId } }: Context<Envelope>) {
      appendFileSync(process.env.HEARD_FILE ?? "heard.txt", `${userId} ${eventId}\n`);
    },
  },
  started() {
    process.on("message", ({ emit, done }: { emit: { eventType: string }[]; done?: boolean }) => {
      const emitted = emit.map((envelope) => this.broker.emit(envelope.eventType, envelope));
      Promise.all(emitted).then(() => done && process.send?.("emitted"));
    });
  },
};

export default HeardService;
