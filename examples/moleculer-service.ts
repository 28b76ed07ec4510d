import { type Context, ServiceBroker } from "moleculer";
import { call } from "../lib/contract/call.ts";
import type { Envelope } from "../services/contracts.ts";

/**
 * Another team's Moleculer node. It welcomes each new user with a first interview.
 *
 * What such a node needs to join the cluster: the same namespace, the Kafka transporter with `bootstrapBrokers`, and the
 * CBOR serializer.
 */
const broker = new ServiceBroker({
  nodeID: process.env.NODEID ?? "welcome-1",
  namespace: process.env.NAMESPACE ?? "",
  transporter: {
    type: "Kafka",
    options: { bootstrapBrokers: (process.env.KAFKA_BROKERS ?? "localhost:9092").split(",") },
  },
  serializer: "CBOR",
  logger: false,
});

broker.createService({
  name: "welcome",
  events: {
    async "user.created"(ctx: Context<Envelope<"user.created">>) {
      const { userId, eventId } = ctx.params;
      const user = await call(ctx, "users.get", { id: userId });
      console.log(`Welcome, ${user.profile.fullName}`);
      // The same event may be emitted twice. The interview's id comes from it, so it is counted once.
      const data = { interviewId: `welcome-${eventId}` };
      await ctx.emit("interview.created", { eventType: "interview.created", userId, data });
    },
  },
});

await broker.start();
await broker.waitForServices("users");
console.log("Ready");
process.once("SIGTERM", () => broker.stop());
