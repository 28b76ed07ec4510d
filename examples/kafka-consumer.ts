import { Kafka, logLevel } from "kafkajs";
import type { Envelope, Events } from "../services/contracts.ts";

/**
 * A consumer in the style of a NestJS controller: one method per event type. In NestJS it would be
 * `@EventPattern("user-events") handle(@Payload() event: Envelope)`, which uses kafkajs as well.
 */
class UserEventsController {
  readonly #handled = new Set<string>();

  /** Events are delivered at least once. A duplicate has the same eventId; a real consumer stores it with its effect. */
  handle(event: Envelope): void {
    if (this.#handled.has(event.eventId)) return;
    this.#handled.add(event.eventId);
    if (event.eventType === "user.created") this.onCreated(event.data as Events["user.created"]);
    if (event.eventType === "user.deleted") this.onDeleted(event.userId);
  }

  onCreated({ fullName }: Events["user.created"]): void {
    console.log(`Created: ${fullName}`);
  }

  onDeleted(userId: string): void {
    console.log(`Deleted: ${userId}`);
  }
}

const brokers = (process.env.KAFKA_BROKERS ?? "localhost:9092").split(",");
const kafka = new Kafka({ brokers, clientId: "example-consumer", logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: process.env.GROUP_ID ?? "example-consumer" });
const controller = new UserEventsController();

await consumer.connect();
await consumer.subscribe({ topics: ["user-events"], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => controller.handle(JSON.parse(String(message.value))),
});
console.log("Ready");
process.once("SIGTERM", () => consumer.disconnect());
