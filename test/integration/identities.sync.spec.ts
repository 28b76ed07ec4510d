import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { openKeycloak } from "../../lib/keycloak/admin.ts";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: the commands `check` and `sync`, and the sweep of everybody on several nodes. */

const NONE = { missing: 0, gone: 0, name: 0, email: 0, status: 0 };

let mirror: Mirrored;
beforeAll(async () => {
  mirror = await startMirrored();
});
afterEach(() => {
  mirror.keycloak.fault = () => false;
  mirror.keycloak.eventsConfig = { eventsEnabled: true, adminEventsEnabled: true };
});
afterAll(async () => {
  await mirror?.service.stop();
  await mirror?.keycloak.stop();
});

const logger = () => mirror.service.broker.getLocalService("identities").logger;

/** Sweeps everybody, as the service does at night. */
async function sweepAtNight(): Promise<void> {
  const { sweepAll } = await import("../../services/identities/identities.sweep.ts");
  await mirror.service.database.sql("UPDATE identity_sweeps SET next_at = now() WHERE kind = 'full'");
  const realm = { url: mirror.keycloak.url, realm: "test", clientId: "mirror", clientSecret: "a-secret" };
  await sweepAll(logger(), openKeycloak({ ...realm, syncMs: 1_000 }, new AbortController().signal));
}

test("sync leaves nothing that can end: an e-mail is handed on through a chain of users", async () => {
  const chain = [];
  for (let n = 0; n < 12; n++) chain.push(await mirror.mirrored());
  const emails = [...chain.slice(1).map(({ account }) => account.email), "last@example.com"];
  for (const [index, { account }] of chain.entries()) account.email = emails[index];
  expect((await mirror.sync()).left).toEqual(NONE);
  for (const { account } of chain)
    expect(await mirror.userOf(account)).toMatchObject({ email: account.email });
});

test("sync ends although a difference remains, and reports it", async () => {
  const [one, other] = [await mirror.mirrored(), await mirror.mirrored()];
  [one.account.email, other.account.email] = [other.account.email, one.account.email];
  expect((await mirror.sync()).left).toEqual({ ...NONE, email: 2 });
  one.account.email = "third@example.com";
  expect((await mirror.sync()).left).toEqual(NONE);
});

test.each([{ eventsEnabled: false }, { adminEventsEnabled: false }])(
  "check and the sweep of everybody warn of a realm that does not save all events: %j",
  async (off) => {
    mirror.keycloak.add({});
    expect(await mirror.sync({ dryRun: true })).toMatchObject({ lacksEvents: false });
    Object.assign(mirror.keycloak.eventsConfig, off);
    expect(await mirror.sync({ dryRun: true })).toMatchObject({ lacksEvents: true });
    const warn = jest.spyOn(logger(), "warn");
    await sweepAtNight();
    await waitFor(() => JSON.stringify(warn.mock.calls).includes("does not save all events"));
    warn.mockRestore();
  },
);

test("Nobody is warned if the client may not see what the realm saves", async () => {
  mirror.keycloak.add({});
  mirror.keycloak.fault = (path, res) => {
    if (path !== "events/config") return false;
    res.writeHead(403).end('{"error":"HTTP 403 Forbidden"}');
    return true;
  };
  expect(await mirror.sync({ dryRun: true })).toMatchObject({ lacksEvents: false });
});

test("A node that dies in the sweep of everybody holds up the next one for 30 s: the lease is renewed with each page", async () => {
  for (let n = 0; n < 120; n++) mirror.keycloak.add({});
  const { sql } = mirror.service.database;
  const lease = async () => {
    const text =
      "SELECT extract(epoch FROM claimed_until - now())::float8 AS left FROM identity_sweeps WHERE kind = 'full'";
    return (await sql<{ left: number }>(text))[0]?.left;
  };
  const held: ServerResponse[] = [];
  mirror.keycloak.fault = (path, res) => path === "users" && held.push(res) > 0;
  const answer = (index: number, first: number, last?: number) =>
    held[index]?.end(JSON.stringify([...mirror.keycloak.accounts.values()].slice(first, last)));

  const sweep = sweepAtNight();
  await waitFor(() => held.length === 1);
  expect(await lease()).toBeLessThanOrEqual(30);
  await sql("UPDATE identity_sweeps SET claimed_until = now() + interval '2 s' WHERE kind = 'full'");
  answer(0, 0, 100);
  await waitFor(() => held.length === 2);
  expect(await lease()).toBeGreaterThan(2);
  answer(1, 100, 199);
  await sweep;
});
