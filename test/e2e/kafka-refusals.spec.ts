import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ConfigResourceTypes, Kafka, logLevel } from "kafkajs";
import { startCluster } from "../helpers/cluster.ts";
import { brokers, startNeighbour } from "../helpers/neighbour.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Records that a real Kafka refuses, and what an operator does with them. */

const TOPIC = "media-events-dlq";
const internal = { "x-internal-token": INTERNAL_TOKEN };
const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();

let cluster: Awaited<ReturnType<typeof startCluster>>;
let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
beforeAll(async () => {
  cluster = await startCluster(["api,users,stats,avatars,identities,outbox,ingest"]);
  neighbour = await startNeighbour();
  await admin.connect();
});
afterAll(async () => {
  await limitTo("1048588");
  await admin.disconnect();
  await neighbour?.stop();
  await cluster?.stop();
});

const limitTo = (bytes: string) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: TOPIC,
        configEntries: [{ name: "max.message.bytes", value: bytes }],
      },
    ],
  });

async function createUser(): Promise<string> {
  const keycloakId = crypto.randomUUID();
  const body = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName: "Anna Meyer" } };
  const answer = await cluster.gateway.http.post("/api/v1/users").set(internal).send(body).expect(201);
  return answer.body.id;
}

/** Runs `npm run outbox` on the cluster's database. */
const operate = async (...words: string[]) =>
  (
    await promisify(execFile)("npm", ["run", "--silent", "outbox", "--", ...words], {
      env: { ...process.env, ...cluster.env, NODE_OPTIONS: "" },
    })
  ).stdout;

const lettersOf = (mark: string) =>
  neighbour.received.filter(({ topic, value }) => topic === TOPIC && value.originalEvent === mark);

test("a record that Kafka refuses is set aside while all others are published once, and is published after a retry", async () => {
  const mark = crypto.randomUUID();
  await limitTo("300"); // less than the size of a dead letter
  await neighbour.send("media-events", mark);
  await waitFor(async () => (await operate("list")).includes("MESSAGE_TOO_LARGE"), 20_000);

  const ids = await Promise.all(Array.from({ length: 30 }, createUser));
  const eventsOf = (id: string) => neighbour.received.filter(({ key }) => key === id);
  await waitFor(() => ids.every((id) => eventsOf(id).length > 0), 20_000);
  expect(lettersOf(mark)).toEqual([]);

  await limitTo("1048588");
  expect(await operate("retry", "all")).toMatch(/^To be published again: \d+ records/);
  await waitFor(() => lettersOf(mark).length > 0, 20_000);
  expect(lettersOf(mark)).toHaveLength(1);
  for (const id of ids) expect(eventsOf(id)).toHaveLength(1);
  expect(await operate("list")).toContain("No record is set aside");
}, 120_000);

test("a deleted topic is recreated, and consumption of the other topics continues", async () => {
  const id = await createUser();
  const statistics = async () =>
    (await cluster.gateway.http.get(`/api/v1/users/${id}/stats`).set(internal).expect(200)).body;
  await admin.deleteTopics({ topics: ["interview-events"] });
  const event = { eventType: "media.uploaded", userId: id, data: { fileId: id, fileSize: 1 } };
  await neighbour.send("media-events", event);
  await waitFor(async () => (await statistics()).storageUsed === 1, 30_000);
  await waitFor(async () => (await admin.listTopics()).includes("interview-events"), 30_000);
  await neighbour.send("interview-events", {
    eventType: "interview.created",
    userId: id,
    data: { interviewId: id },
  });
  await waitFor(async () => (await statistics()).interviewsCreated === 1, 30_000);
}, 90_000);
