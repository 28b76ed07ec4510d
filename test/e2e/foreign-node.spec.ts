import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Context, ServiceBroker } from "moleculer";
import sharp from "sharp";
import { startCluster } from "../helpers/cluster.ts";
import { brokers } from "../helpers/neighbour.ts";
import { spawnService } from "../helpers/process.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/**
 * A Moleculer node of another team on a real Kafka, with Moleculer's own transporter and stock settings: a heartbeat
 * every 10 s. The times are real, because the tested behaviour occurs between two heartbeats.
 */

const LONGER_THAN_A_HEARTBEAT = 13_000; // ms
const internal = { "x-internal-token": INTERNAL_TOKEN };

let cluster: Awaited<ReturnType<typeof startCluster>>;
let foreign: ServiceBroker;
let image: Buffer;
const received: string[] = [];

beforeAll(async () => {
  cluster = await startCluster(["api,users,stats,avatars,identities,outbox,ingest"]);
  foreign = new ServiceBroker({
    nodeID: `foreign-${crypto.randomUUID()}`,
    namespace: cluster.env.NAMESPACE,
    transporter: { type: "Kafka", options: { bootstrapBrokers: brokers } },
    serializer: "CBOR",
    logger: false,
  });
  foreign.createService({
    name: "listener",
    events: { "user.created": (ctx: Context<{ userId: string }>) => void received.push(ctx.params.userId) },
  });
  await foreign.start();
  await foreign.waitForServices(["users", "avatars"], 20_000);
  const raw = { width: 1_000, height: 1_000, channels: 3 } as const;
  image = await sharp(randomBytes(3_000_000), { raw }).png().toBuffer(); // noise cannot be compressed
});
afterAll(async () => {
  await foreign?.stop();
  await cluster?.stop();
});

async function createUser(): Promise<string> {
  const keycloakId = crypto.randomUUID();
  const body = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName: "Anna Meyer" } };
  const answer = await cluster.gateway.http.post("/api/v1/users").set(internal).send(body).expect(201);
  return answer.body.id;
}

test("a foreign node with default settings receives every event and uploads complete files, also between its heartbeats", async () => {
  // a native event can be lost until the emitting node knows the listener
  await waitFor(async () => {
    await createUser();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return received.length > 0;
  }, 20_000);
  const created: string[] = [];
  const end = Date.now() + LONGER_THAN_A_HEARTBEAT;
  while (Date.now() < end) {
    const id = await createUser();
    created.push(id);
    const stream = Readable.from([image.subarray(0, 1_000_000), image.subarray(1_000_000)], {
      objectMode: false,
    });
    const answer = await foreign.call("avatars.upload", { id }, { stream, timeout: 20_000 });
    expect(answer).toEqual({ avatarUrl: expect.stringContaining(id) });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(created.length).toBeGreaterThan(10);
  await waitFor(() => created.every((id) => received.includes(id)), 30_000);
}, 90_000);

test("our log names a foreign node with the default JSON serializer, and the setting that it needs", async () => {
  const NAMESPACE = `e2e-${crypto.randomUUID().slice(0, 8)}`;
  const service = await spawnService({
    NAMESPACE,
    NODEID: "ours",
    KAFKA_BROKERS: brokers.join(),
    SERVICES: "api",
    LOG_LEVEL: "warn",
  });
  const json = new ServiceBroker({
    nodeID: "another-team",
    namespace: NAMESPACE,
    transporter: { type: "Kafka", options: { bootstrapBrokers: brokers } },
    logger: false,
  });
  try {
    await json.start();
    const line = await waitFor(
      () => /"message":"(Node another-team sends JSON [^\n]*)"}/.exec(service.printed())?.[1],
      45_000,
    );
    expect(line).toContain(NAMESPACE);
    expect(JSON.parse(`"${line}"`)).toContain('set serializer: "CBOR" in its broker options');
  } finally {
    await json.stop();
    await service.remove();
  }
}, 90_000);
