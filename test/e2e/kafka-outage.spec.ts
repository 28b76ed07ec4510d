import { connect, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freePort } from "../helpers/free-port.ts";
import { brokers, startNeighbour } from "../helpers/neighbour.ts";
import { startNode, type TestNode } from "../helpers/node.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** A node that is started while Kafka is unavailable. */

let port: number;
let node: TestNode;
let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
const internal = { "x-internal-token": INTERNAL_TOKEN };

/** Makes Kafka reachable at the node's address for it. */
function startKafka() {
  const [host = "", kafkaPort = ""] = (brokers[0] ?? "").split(":");
  const server = createServer((socket) => {
    const kafka = connect(Number(kafkaPort), host);
    socket.on("error", () => kafka.destroy()).pipe(kafka);
    kafka.on("error", () => socket.destroy()).pipe(socket);
  });
  server.listen(port, "127.0.0.1").unref();
}

beforeAll(async () => {
  port = await freePort();
  const id = crypto.randomUUID().slice(0, 8);
  neighbour = await startNeighbour();
  node = await startNode({
    KAFKA_BROKERS: `127.0.0.1:${port}`,
    KAFKA_GROUP_ID: `e2e-${id}`,
    NAMESPACE: `e2e-${id}`,
    NODEID: "alone",
    LOG_LEVEL: "fatal",
  });
});
afterAll(async () => {
  await node?.stop();
  await neighbour?.stop();
});

test("writes succeed while Kafka is unavailable; once it is available, events are published and consumed", async () => {
  const name = crypto.randomUUID();
  const body = { keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Anna Meyer" } };
  const { body: user } = await node.http.post("/api/v1/users").set(internal).send(body).expect(201);
  const health = await node.http.get("/health").expect(200);
  expect(health.body.kafka.status).toBe("disconnected");

  startKafka();
  const event = await waitFor(() => neighbour.received.find(({ key }) => key === user.id), 20_000);
  expect(event.value.eventType).toBe("user.created");
  const there = await node.http.get("/health").expect(200);
  expect(there.body.kafka.status).toBe("connected");
  await neighbour.send("interview-events", {
    eventId: name,
    eventType: "interview.created",
    userId: user.id,
    data: { interviewId: name },
  });
  await waitFor(async () => {
    const stats = await node.http.get(`/api/v1/users/${user.id}/stats`).set(internal);
    return stats.body.interviewsCreated === 1;
  }, 20_000);
});
