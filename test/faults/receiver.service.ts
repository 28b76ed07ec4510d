import { appendFileSync } from "node:fs";
import type { Context, ServiceSchema } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";

/**
 * Runs in the service under test: writes the events that it receives to a file, which survives kill -9, and emits events
 * that the test sends over IPC, as another Moleculer service would.
 */
const ReceiverService: ServiceSchema = {
  name: "receiver",
  events: {
    "user.created"({ params: { userId, eventId } }: Context<Envelope>) {
      appendFileSync(process.env.RECEIVED_FILE ?? "received.txt", `${userId} ${eventId}\n`);
    },
  },
  started() {
    process.on("message", ({ emit, done }: { emit: { eventType: string }[]; done?: boolean }) => {
      const emitted = emit.map((envelope) => this.broker.emit(envelope.eventType, envelope));
      Promise.all(emitted).then(() => done && process.send?.("emitted"));
    });
  },
};

export default ReceiverService;
