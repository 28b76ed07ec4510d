import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Kafka, logLevel } from "kafkajs";
import { CONSUMED_TOPICS } from "../../services/ingest/ingest.contract.ts";
import { startCluster } from "../helpers/cluster.ts";
import { brokers } from "../helpers/neighbour.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Other services that produce in transactions: aborted events have no effect and do not count as lag. */

const PARTITIONS = 3;
const internal = { "x-internal-token": INTERNAL_TOKEN };
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
const admin = kafka.admin();
const producer = kafka.producer({ transactionalId: crypto.randomUUID(), maxInFlightRequests: 1 });

let cluster: Awaited<ReturnType<typeof startCluster>>;
beforeAll(async () => {
  cluster = await startCluster(["api,users,stats,avatars,identities,outbox,ingest"]);
  await Promise.all([admin.connect(), producer.connect()]);
});
afterAll(async () => {
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await cluster?.stop();
});

/** Sends one event to each partition in a transaction, which is then committed or aborted. */
async function sendInTransaction(userId: string, end: "commit" | "abort"): Promise<void> {
  const transaction = await producer.transaction();
  const messages = Array.from({ length: PARTITIONS }, (_, partition) => {
    const interviewId = `${end}-${partition}-${userId}`;
    const event = { eventType: "interview.created", userId, data: { interviewId } };
    return { partition, value: JSON.stringify(event) };
  });
  await transaction.send({ topic: "interview-events", messages });
  await transaction[end]();
}

/** The lag of the consumer group: according to Kafka, and according to the metrics. */
async function lag(): Promise<{ inKafka: number; inMetrics: number }> {
  const committed = await admin.fetchOffsets({
    groupId: cluster.env.KAFKA_GROUP_ID ?? "",
    topics: CONSUMED_TOPICS,
  });
  const behind = committed.map(async ({ topic, partitions }) => {
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.map(({ partition, high, low }) => {
      const offset = Number(partitions.find((one) => one.partition === partition)?.offset);
      return Number(high) - Math.max(offset, Number(low));
    });
  });
  const { text } = await cluster.gateway.http.get("/metrics").expect(200);
  const samples = [...text.matchAll(/^user_service_consumer_lag_records\{.*\} (\d+)$/gm)];
  const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
  return {
    inKafka: sum((await Promise.all(behind)).flat()),
    inMetrics: samples.length === 0 ? Number.NaN : sum(samples.map(([, value]) => Number(value))),
  };
}

test("events of an aborted transaction are not counted, and do not count as lag at the end of a partition", async () => {
  const profile = { fullName: "Anna Meyer" };
  const body = { keycloakId: crypto.randomUUID(), email: `${crypto.randomUUID()}@example.com`, profile };
  const created = await cluster.gateway.http.post("/api/v1/users").set(internal).send(body).expect(201);
  const { id } = created.body;
  await sendInTransaction(id, "commit");
  await sendInTransaction(id, "abort");
  await waitFor(async () => {
    const { inKafka, inMetrics } = await lag();
    return inKafka === 0 && inMetrics === 0;
  }, 30_000);
  const { body: stats } = await cluster.gateway.http
    .get(`/api/v1/users/${id}/stats`)
    .set(internal)
    .expect(200);
  expect(stats.interviewsCreated).toBe(PARTITIONS);
});
