import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startCluster } from "../helpers/cluster.ts";
import { freePort } from "../helpers/free-port.ts";
import { startNeighbour } from "../helpers/neighbour.ts";
import { request } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25 with a real Kafka: the operator commands join the cluster, and other services answer on the topics. */

let cluster: Awaited<ReturnType<typeof startCluster>>;
let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
beforeAll(async () => {
  const parties = { ERASURE_PARTIES: "interviews,media" };
  cluster = await startCluster(["api", "users,identities,outbox,ingest", "stats,avatars"], parties);
  neighbour = await startNeighbour();
}, 120_000);
afterAll(async () => {
  await neighbour?.stop();
  await cluster?.stop();
});

const run = async (script: string, ...args: string[]): Promise<string> => {
  const env = { ...process.env, ...cluster.env, METRICS_PORT: String(await freePort()) };
  return (await promisify(execFile)("npm", ["run", "--silent", script, "--", ...args], { env })).stdout;
};

test("npm run erase publishes the erasure, which is complete after both parties answered; --dry-run shows Kafka's retention", async () => {
  const keycloakId = crypto.randomUUID();
  const body = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName: "Anna Meyer" } };
  const headers = { "x-internal-token": INTERNAL_TOKEN };
  const asked = { method: "POST", path: "/api/v1/users", headers, body };
  const { id } = (await request(cluster.gateway.url, asked)).body;

  expect(JSON.parse(await run("export", id)).user).toMatchObject({ id, keycloakId });
  expect(await run("erase", id)).toContain("Must still answer: interviews, media");
  const erased = await waitFor(
    () => neighbour.received.find(({ key, value }) => key === id && value.eventType === "user.erased"),
    20_000,
  );
  const { erasureId } = (erased.value as unknown as { data: { erasureId: string } }).data;
  const answer = (service: string) => ({ eventType: "erasure.completed", data: { erasureId, service } });
  await neighbour.send("interview-events", answer("interviews"), answer("interviews"));
  await neighbour.send("media-events", answer("media"));
  const printed = await waitFor(async () => {
    const text = await run("erase", id, "--dry-run");
    return text.startsWith("Erasure: complete") ? text : undefined;
  }, 40_000);
  expect(printed).toContain("Row of the user: erased");
  expect(printed).toMatch(/^Kafka topic user-events: \d+ hours$/m);
}, 120_000);
