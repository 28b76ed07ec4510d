import { Kafka, logLevel } from "kafkajs";

/** A plain kafkajs producer: it reports that a user uploaded a file. Sending the same file twice counts once. */
const [userId, fileId, bytes] = process.argv.slice(2);
if (!userId || !fileId || !bytes) {
  console.error("Usage: kafka-producer.ts USER_ID FILE_ID BYTES");
  process.exit(1);
}

const brokers = (process.env.KAFKA_BROKERS ?? "localhost:9092").split(",");
const kafka = new Kafka({ brokers, clientId: "example-producer", logLevel: logLevel.ERROR });
const producer = kafka.producer();

const event = {
  eventId: `uploaded-${fileId}`,
  eventType: "media.uploaded",
  timestamp: new Date().toISOString(),
  userId,
  data: { fileId, fileSize: Number(bytes) },
};
await producer.connect();
await producer.send({ topic: "media-events", messages: [{ key: userId, value: JSON.stringify(event) }] });
await producer.disconnect();
console.log(`Sent ${event.eventId}`);
