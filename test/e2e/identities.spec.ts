import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "../helpers/free-port.ts";
import {
  administer,
  createAccount,
  MIRROR,
  savedEvents,
  signIn,
  startListener,
} from "../helpers/keycloak.ts";
import { startNeighbour } from "../helpers/neighbour.ts";
import { startNode, type TestNode } from "../helpers/node.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27 on a real Keycloak: with its own events on a real Kafka, or only with those that it saves. */

const internal = { "x-internal-token": INTERNAL_TOKEN };
const run = crypto.randomUUID().slice(0, 8);
const topics = { events: `kc-events-${run}`, "admin-events": `kc-admin-events-${run}` };
const schema = `e2e_identities_${run}`;

/** Waits for the user of an account, until `isRight` accepts it. */
const userOf = (
  node: TestNode,
  id: string,
  isRight: (user: { id: string } & Record<string, never>) => boolean = () => true,
) =>
  waitFor(async () => {
    const { status, body } = await node.http.get(`/api/v1/users/by-keycloak/${id}`).set(internal);
    return status === 200 && isRight(body) ? body : undefined;
  }, 30_000);
const identityOf = async (node: TestNode, id: string) =>
  (await node.http.get(`/api/v1/users/${id}/identity`).set(internal).expect(200)).body;

let neighbour: Awaited<ReturnType<typeof startNeighbour>>;
beforeAll(async () => {
  neighbour = await startNeighbour();
}, 60_000);
afterAll(() => neighbour?.stop());

const eventsOf = (userId: string) =>
  neighbour.received.filter(({ key }) => key === userId).map(({ value }) => value.eventType);

/** The life of an account, from its creation to its deletion. */
async function liveOn(node: TestNode, name: string): Promise<void> {
  const since = Date.now() - 1_000;
  const account = await createAccount(name);
  const user = await userOf(node, account);
  expect(user).toMatchObject({ email: `${name}@example.com`, profile: { fullName: "Ida Rhodes" } });

  await administer("PUT", `users/${account}`, { lastName: "Hopper", email: `${name}@example.org` });
  const isChanged = (now: Record<string, never>) => JSON.stringify(now).includes("Ida Hopper");
  expect(await userOf(node, account, isChanged)).toMatchObject({ email: `${name}@example.org` });

  const token = await signIn(name, name);
  const headers = { authorization: `Bearer ${token}` };
  await node.http.get("/api/v1/users/me").set(headers).expect(200);
  await administer("PUT", `users/${account}`, { enabled: false });
  await waitFor(async () => (await node.http.get("/api/v1/users/me").set(headers)).status === 403);
  expect(await identityOf(node, user.id)).toMatchObject({ status: "suspended", emailVerified: true });
  await administer("PUT", `users/${account}`, { enabled: true });
  await waitFor(async () => (await node.http.get("/api/v1/users/me").set(headers)).status === 200);

  await administer("DELETE", `users/${account}`);
  await waitFor(() => eventsOf(user.id).includes("user.deleted"));
  expect(eventsOf(user.id)).toEqual([
    "user.created",
    "user.updated",
    "user.suspended",
    "user.activated",
    "user.deleted",
  ]);
  const reported = (await savedEvents("admin-events", since)) as unknown as {
    id: string;
    resourcePath: string;
  }[];
  const causes = neighbour.received
    .filter(({ key }) => key === user.id)
    .map(({ value }) => (value.metadata as { causationId?: string }).causationId);
  // the second read for an event may find the next change before its own event arrives
  const ids = reported.filter(({ resourcePath }) => resourcePath === `users/${account}`).map(({ id }) => id);
  expect(causes.filter((id) => !ids.includes(id ?? ""))).toEqual([]);
  expect(causes[0]).toBe(ids[0]);
}

describe("with Keycloak's events on Kafka", () => {
  let node: TestNode;
  let listener: Awaited<ReturnType<typeof startListener>>;
  beforeAll(async () => {
    node = await startNode({
      ...MIRROR,
      DATABASE_SCHEMA: schema,
      KEYCLOAK_EVENTS_TOPICS: Object.values(topics).join(","),
      IDENTITY_SYNC_SECONDS: "3600",
      KAFKA_GROUP_ID: `identities-${run}`,
      NAMESPACE: `identities-${run}`,
    });
    listener = await startListener(topics);
  }, 120_000);
  afterAll(async () => {
    await listener?.stop();
    await node?.stop();
  }, 60_000);

  test("after the start, each person of the realm has a user, and the service account of a client has none", async () => {
    const people = await administer<{ id: string }[]>("GET", "users?max=1000");
    for (const { id } of people) await userOf(node, id);
    const [client] = await administer<{ id: string }[]>("GET", "users?username=service-account&max=10");
    await node.http.get(`/api/v1/users/by-keycloak/${client?.id}`).set(internal).expect(404);
  }, 60_000);

  test(
    "each change of an account is applied to its user within seconds, and publishes one event with Keycloak's event as its cause",
    () => liveOn(node, `kafka-${run}`),
    120_000,
  );

  test("a sign-in sets lastSeenAt of the user", async () => {
    const name = `seen-${run}`;
    const user = await userOf(node, await createAccount(name));
    const before = Date.now();
    await signIn(name, name);
    await waitFor(
      async () => Date.parse((await identityOf(node, user.id)).lastSeenAt ?? "") >= before - 1_000,
    );
  }, 60_000);
});

describe("without Kafka's topics", () => {
  let node: TestNode;
  const env = { ...MIRROR, DATABASE_SCHEMA: schema, IDENTITY_SYNC_SECONDS: "1", NAMESPACE: `sweep-${run}` };
  const names = [1, 2, 3].map((n) => `before-start-${n}-${run}`);
  const accounts: string[] = [];
  beforeAll(async () => {
    for (const name of names) accounts.push(await createAccount(name));
    node = await startNode(env);
  }, 120_000);
  afterAll(() => node?.stop(), 60_000);

  test("accounts that were created while no node ran have users after the start", async () => {
    for (const account of accounts) await userOf(node, account);
  }, 60_000);

  test(
    "each change of an account is applied to its user by the events that Keycloak saves",
    () => liveOn(node, `sweep-${run}`),
    120_000,
  );

  test("npm run identities -- check reports no difference afterwards", async () => {
    const environment = { ...process.env, ...env, METRICS_PORT: String(await freePort()) };
    const args = ["run", "--silent", "identities", "--", "check"];
    const { stdout } = await promisify(execFile)("npm", args, { env: environment });
    expect(stdout).toMatch(
      /^\d+ people in Keycloak; differences: missing 0, gone 0, name 0, email 0, status 0\n$/,
    );
  }, 60_000);
});
