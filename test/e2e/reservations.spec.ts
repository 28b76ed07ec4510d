import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startCluster } from "../helpers/cluster.ts";
import { startNeighbour } from "../helpers/neighbour.ts";
import { type Answered, request } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 26 with a gateway and two nodes with `stats`, which communicate over a real Kafka. */

let cluster: Awaited<ReturnType<typeof startCluster>>;
let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
beforeAll(async () => {
  cluster = await startCluster(["api,users,avatars,identities,outbox,ingest", "stats", "stats"]);
  neighbour = await startNeighbour();
}, 120_000);
afterAll(async () => {
  await neighbour?.stop();
  await cluster?.stop();
});

/** Repeats a request with the same key after a 503, which means that it had no effect. */
function ask(method: string, path: string, body?: object, key?: string): Promise<Answered> {
  const headers = { "x-internal-token": INTERNAL_TOKEN, ...(key && { "idempotency-key": key }) };
  return waitFor(async () => {
    const asked = { method, path: `/api/v1/users${path}`, body, headers };
    const answer = await request(cluster.gateway.url, asked);
    return answer.status === 503 ? undefined : answer;
  }, 30_000);
}

test("limit 10, 200 concurrent reservations: 10 get 201 and 190 get 409, also if repeated; an event on Kafka commits one", async () => {
  const name = crypto.randomUUID();
  const profile = { fullName: "Anna Meyer" };
  const { id } = (await ask("POST", "", { keycloakId: name, email: `${name}@example.com`, profile })).body;
  const keys = Array.from({ length: 200 }, () => crypto.randomUUID());
  const reserve = (key: string) =>
    ask("POST", `/${id}/quota/reservations`, { resource: "interviews", ttl: 600 }, key);
  for (const _ of ["first", "repeat"]) {
    const answers = await Promise.all(keys.map(reserve));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(190);
  }
  const interviews = async () => (await ask("GET", `/${id}/quotas`)).body.interviews;
  expect(await interviews()).toMatchObject({ used: 0, reserved: 10, remaining: 0 });

  const made = await Promise.all(keys.map(reserve));
  const reservationId = made.find(({ status }) => status === 201)?.body.reservationId;
  const event = { eventId: name, eventType: "interview.created", userId: id };
  await neighbour.send("interview-events", { ...event, data: { interviewId: name, reservationId } });
  await waitFor(async () => ((await interviews()) as { used: number }).used === 1, 20_000);
  expect(await interviews()).toMatchObject({ used: 1, reserved: 9, remaining: 0 });
  const commit = await ask("POST", `/${id}/quota/reservations/${reservationId}/commit`);
  expect(commit.status).toBe(200);
  expect(await interviews()).toMatchObject({ used: 1, reserved: 9 });
}, 120_000);
