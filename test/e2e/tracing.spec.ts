import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Consumer, Kafka, logLevel, type Producer } from "kafkajs";
import { FORMS, startCluster } from "../helpers/cluster.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** A real Jaeger: its two ports for spans, and its query API. */
const { JAEGER_QUERY = "", JAEGER_ENDPOINT = "", JAEGER_OTLP_ENDPOINT = "" } = process.env;

type Tag = { key: string; value: string };
type Span = { spanID: string; operationName: string; processID: string; references: { spanID: string }[] };
type Trace = { spans: Span[]; processes: Record<string, { serviceName: string; tags: Tag[] }> };

const internal = { "x-internal-token": INTERNAL_TOKEN };
const ROOT = "b7ad6b7169203331";

async function askJaeger(id: string): Promise<Trace | undefined> {
  const answer = await fetch(`${JAEGER_QUERY}/api/traces/${id}`);
  const { data } = (await answer.json()) as { data: Trace[] | null };
  return data?.[0];
}

/** Waits until the trace contains these spans. Returns the node and the parent of each. */
async function hops(id: string, names: string[]) {
  const { spans, processes } = await waitFor(async () => {
    const trace = await askJaeger(id);
    const found = new Set(trace?.spans.map(({ operationName }) => operationName));
    return names.every((name) => found.has(name)) && trace;
  }, 20_000).then((trace) => trace || { spans: [], processes: {} });
  const nameOf = (spanID?: string) => spans.find((span) => span.spanID === spanID)?.operationName ?? spanID;
  return names.map((name) => {
    const span = spans.find(({ operationName }) => operationName === name);
    const { serviceName, tags = [] } = processes[span?.processID ?? ""] ?? {};
    const node = tags.find(({ key }) => key === "service.instance.id")?.value;
    return { name, serviceName, node, below: nameOf(span?.references[0]?.spanID) };
  });
}

let consumer: Consumer;
let producer: Producer;
const received: { key: string; traceparent: string }[] = [];
beforeAll(async () => {
  const kafka = new Kafka({
    brokers: (process.env.KAFKA_BROKERS ?? "").split(","),
    logLevel: logLevel.NOTHING,
  });
  producer = kafka.producer();
  consumer = kafka.consumer({ groupId: `neighbour-${crypto.randomUUID()}`, maxWaitTimeInMs: 200 });
  await Promise.all([producer.connect(), consumer.connect()]);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "user-events", numPartitions: 3 }] });
  await admin.disconnect();
  await consumer.subscribe({ topics: ["user-events"], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message: { key, headers } }) => {
      received.push({ key: String(key), traceparent: String(headers?.traceparent) });
    },
  });
});
afterAll(() => Promise.all([producer?.disconnect(), consumer?.disconnect()]));

describe.each([
  ["Jaeger's Thrift", JAEGER_ENDPOINT],
  ["OTLP", JAEGER_OTLP_ENDPOINT],
])("As %s", (_form, endpoint) => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  beforeAll(async () => {
    cluster = await startCluster(FORMS["three nodes"], { JAEGER_ENDPOINT: endpoint });
  });
  afterAll(() => cluster?.stop());

  test("one trace covers the REST request, the nodes, SQL, the event on Kafka, and the counting of an event that it caused", async () => {
    const id = crypto.randomUUID().replaceAll("-", "");
    const name = crypto.randomUUID();
    const answer = await cluster.gateway.http
      .post("/api/v1/users")
      .set({ ...internal, traceparent: `00-${id}-${ROOT}-01` })
      .send({ keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Anna Meyer" } })
      .expect(201);
    expect(answer.headers.traceparent).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-01$`));

    const userId = answer.body.id;
    const { traceparent } = await waitFor(() => received.find(({ key }) => key === userId), 20_000).then(
      (event) => event ?? { traceparent: "" },
    );
    expect(traceparent).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-01$`));
    const event = { eventType: "interview.created", userId, data: { interviewId: name } };
    await producer.send({
      topic: "interview-events",
      messages: [{ value: JSON.stringify(event), headers: { traceparent } }],
    });

    const names = [
      "POST /api/v1/users",
      "users.create",
      "SQL insert-user",
      "publish user-events",
      "consume interview-events",
      "stats.apply",
      "SQL insert-processed",
    ];
    const serviceName = "user-service";
    expect(await hops(id, names)).toEqual([
      { name: names[0], serviceName, node: "node-0", below: ROOT },
      { name: names[1], serviceName, node: "node-1", below: names[0] },
      { name: names[2], serviceName, node: "node-1", below: names[1] },
      { name: names[3], serviceName, node: "node-1", below: names[1] },
      { name: names[4], serviceName, node: "node-1", below: names[3] },
      { name: names[5], serviceName, node: "node-2", below: names[4] },
      { name: names[6], serviceName, node: "node-2", below: names[5] },
    ]);
  });

  test("the trace of a failed request is found by the traceId of the error", async () => {
    const { body } = await cluster.gateway.http
      .get(`/api/v1/users/${crypto.randomUUID()}`)
      .set(internal)
      .expect(404);
    const [request] = await hops(body.traceId, ["GET /api/v1/users/:id", "users.get"]);
    expect(request).toMatchObject({ node: "node-0", below: undefined });
  });
});
