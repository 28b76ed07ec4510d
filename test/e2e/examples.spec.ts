import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startCluster } from "../helpers/cluster.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The programs of examples/, each in a separate process, with a service on a real Kafka. */

const internal = { "x-internal-token": INTERNAL_TOKEN };
let cluster: Awaited<ReturnType<typeof startCluster>>;
const running: ChildProcess[] = [];

/** Runs an example; `printed` is its whole output so far. */
function run(file: string, args: string[] = [], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [`examples/${file}`, ...args], {
    env: { ...process.env, NODE_OPTIONS: "", ...env },
  });
  running.push(child);
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      printed += chunk;
    });
  const prints = (text: string) => waitFor(() => printed.includes(text), 30_000);
  return { child, prints, ended: once(child, "exit").then(() => printed) };
}

async function createUser(fullName: string): Promise<string> {
  const keycloakId = crypto.randomUUID();
  const body = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName } };
  const answer = await cluster.gateway.http.post("/api/v1/users").set(internal).send(body).expect(201);
  return answer.body.id;
}
const statsOf = async (id: string) =>
  (await cluster.gateway.http.get(`/api/v1/users/${id}/stats`).set(internal)).body;

beforeAll(async () => {
  cluster = await startCluster(["api,users,stats,avatars,identities,outbox,ingest"]);
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await cluster?.stop();
});

test("the Moleculer service welcomes a new user, and the interview that it reports is counted once", async () => {
  const { NAMESPACE = "" } = cluster.env;
  const { prints } = run("moleculer-service.ts", [], { NAMESPACE, NODEID: `welcome-${crypto.randomUUID()}` });
  await prints("Ready");
  // A native event can be lost until the emitting node knows the listener, so the first users may get no welcome.
  await waitFor(async () => {
    const id = await createUser("Wanda Welcome");
    await new Promise((resolve) => setTimeout(resolve, 500));
    return (await statsOf(id)).interviewsCreated === 1;
  }, 30_000);
  await prints("Welcome, Wanda Welcome");
}, 90_000);

test("the consumer prints each created and each deleted user", async () => {
  const { prints } = run("kafka-consumer.ts", [], { GROUP_ID: `example-${crypto.randomUUID()}` });
  const id = await createUser("Carla Consumer");
  await prints("Created: Carla Consumer");
  await cluster.gateway.http.delete(`/api/v1/users/${id}`).set(internal).expect(200);
  await prints(`Deleted: ${id}`);
}, 90_000);

test("the producer's file is counted once, although its event is sent twice", async () => {
  const id = await createUser("Paul Producer");
  for (let times = 0; times < 2; times++)
    expect(await run("kafka-producer.ts", [id, "f-1", "2048"]).ended).toContain("Sent uploaded-f-1");
  expect(await run("kafka-producer.ts", [id, "f-2", "1"]).ended).toContain("Sent uploaded-f-2");
  await waitFor(async () => (await statsOf(id)).storageUsed === 2049, 30_000);
}, 90_000);

test("the producer prints its usage if it has no arguments", async () => {
  expect(await run("kafka-producer.ts").ended).toContain("Usage: kafka-producer.ts USER_ID FILE_ID BYTES");
});
