import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { call } from "../../lib/contract/call.ts";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";
import { createUser } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: the full sweep, and which users it never deletes. */

let mirror: Mirrored;
beforeAll(async () => {
  mirror = await startMirrored({ IDENTITY_SYNC_SECONDS: "1" });
});
/** In Keycloak and here, before each test. Those whom a test leaves are kept: each person takes some requests. */
const PEOPLE = 30;
beforeEach(async () => {
  while (mirror.keycloak.accounts.size < PEOPLE) mirror.keycloak.add({});
  await mirror.sync();
});
afterEach(async () => {
  mirror.keycloak.fault = () => false;
  for (const id of ids().slice(PEOPLE)) mirror.keycloak.accounts.delete(id);
  await mirror.service.database.sql("DELETE FROM identity_hints");
  await mirror.service.database.sql(
    "UPDATE users SET deleted_at = now() WHERE deleted_at IS NULL AND keycloak_id <> ALL ($1)",
    [ids()],
  );
});
afterAll(async () => {
  await mirror?.service.stop();
  await mirror?.keycloak.stop();
});

const users = async (): Promise<number> => {
  const text = "SELECT count(*)::int AS count FROM users WHERE deleted_at IS NULL";
  return (await mirror.service.database.sql<{ count: number }>(text))[0]?.count ?? -1;
};
const ids = () => [...mirror.keycloak.accounts.keys()];
const removeFromKeycloak = (count: number) => {
  for (const id of ids().slice(0, count)) mirror.keycloak.accounts.delete(id);
};
const refusals = async () => {
  const metrics = await (await fetch(`${mirror.service.nodeUrl}/metrics`)).text();
  return Number(/user_service_identity_sweep_refused_total (\d+)/.exec(metrics)?.[1]);
};

test("A full sweep creates, renames, changes e-mails, suspends and deletes; then there is no difference", async () => {
  const [renamed, moved, disabled, ...rest] = [...mirror.keycloak.accounts.values()];
  Object.assign(renamed ?? {}, { firstName: "New" });
  Object.assign(moved ?? {}, { email: "moved@example.com" });
  Object.assign(disabled ?? {}, { enabled: false });
  for (const { id } of rest.slice(0, 10)) mirror.keycloak.accounts.delete(id);
  mirror.keycloak.add({});
  const report = await mirror.sync();
  expect(report.counts).toEqual({ missing: 1, gone: 10, name: 1, email: 1, status: 1 });
  expect(report.left).toEqual({ missing: 0, gone: 0, name: 0, email: 0, status: 0 });
  expect(await users()).toBe(21);
  expect((await mirror.sync({ dryRun: true })).differences).toEqual([]);
});

test("A dry run reports the differences, and changes no user", async () => {
  removeFromKeycloak(3);
  mirror.keycloak.add({});
  const report = await mirror.sync({ dryRun: true });
  expect(report.counts).toMatchObject({ missing: 1, gone: 3 });
  expect(report.differences).toHaveLength(4);
  expect(report.left).toBeUndefined();
  expect(await users()).toBe(30);
  expect(await mirror.differences()).toEqual([]);
});

test("A sweep that would delete more than 10 users or 1 % deletes nobody and is counted, unless a person allows it", async () => {
  const before = await refusals();
  removeFromKeycloak(11);
  expect(await mirror.sync()).toMatchObject({ refused: 11, left: { gone: 11 } });
  expect(await users()).toBe(30);
  expect(await refusals()).toBe(before + 1);
  expect(await mirror.sync({ mayDelete: 11 })).toMatchObject({ refused: 0, left: { gone: 0 } });
  expect(await users()).toBe(19);
});

test("If the saved events contain more deletions than one sweep may make, nobody is deleted", async () => {
  const before = await refusals();
  const gone = ids().slice(0, 11);
  removeFromKeycloak(11);
  const time = Date.now();
  const event = { time, operationType: "DELETE", resourceType: "USER" };
  mirror.keycloak.adminEvents.push(
    ...gone.map((id) => ({ ...event, id: crypto.randomUUID(), resourcePath: `users/${id}` })),
  );
  await waitFor(async () => (await refusals()) === before + 1);
  expect(await mirror.differences()).toHaveLength(11);
  expect(await users()).toBe(30);
});

test("A user whose account Keycloak returns again is no longer a difference", async () => {
  const accounts = [...mirror.keycloak.accounts.values()];
  removeFromKeycloak(11);
  await mirror.sync();
  expect(await mirror.differences()).toHaveLength(11);
  for (const account of accounts) mirror.keycloak.accounts.set(account.id, account);
  expect((await mirror.sync()).left).toMatchObject({ gone: 0 });
});

test("A user who is missing in the list, but whom Keycloak returns by id, is not deleted", async () => {
  const [hidden = ""] = ids();
  mirror.keycloak.fault = (path, res) => {
    if (path !== "users") return false;
    const accounts = [...mirror.keycloak.accounts.values(), ...[{ id: "another", enabled: true }]];
    res.end(JSON.stringify(accounts.filter(({ id }) => id !== hidden)));
    return true;
  };
  await mirror.sync();
  expect(await mirror.userOf({ id: hidden })).toMatchObject({ deleted_at: null });
});

test("A list that contains people twice is compared correctly", async () => {
  mirror.keycloak.fault = (path, res) => {
    if (path !== "users") return false;
    const accounts = [...mirror.keycloak.accounts.values()];
    res.end(JSON.stringify([...accounts, ...accounts]));
    return true;
  };
  expect((await mirror.sync()).differences).toEqual([]);
});

describe("No user is deleted if the realm", () => {
  const answer = (res: ServerResponse, status: number, body = "") => {
    res.writeHead(status, { "content-type": "application/json" }).end(body);
    return true;
  };
  const FAULTS: Record<string, (path: string, res: ServerResponse) => boolean> = {
    "answers 500": (_path, res) => answer(res, 500, "{}"),
    "answers 403, because the client has no rights": (_path, res) => answer(res, 403, '{"error":"HTTP 403"}'),
    "does not exist any more": (_path, res) => answer(res, 404, '{"error":"Realm not found."}'),
    "answers with the page of a proxy": (_path, res) => answer(res, 200, "<html>"),
    "answers with an empty list": (path, res) => path === "users" && answer(res, 200, "[]"),
    "cuts its answers": (_path, res) => {
      res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      res.write("[");
      res.destroy();
      return true;
    },
    "lists half of its people": (path, res) =>
      path === "users" &&
      answer(res, 200, JSON.stringify([...mirror.keycloak.accounts.values()].slice(0, 15))),
  };

  test.each(Object.keys(FAULTS))("%s", async (name) => {
    const gone = ids().slice(0, 5);
    removeFromKeycloak(5);
    mirror.keycloak.fault = FAULTS[name] ?? (() => false);
    await expect(mirror.sync()).rejects.toThrow("Keycloak");
    await mirror.hint(...gone.slice(0, 1).map((keycloakId) => ({ keycloakId, kind: "changed" as const })));
    expect(await users()).toBe(30);
  });

  test("is empty, even if its events report each deletion", async () => {
    const gone = ids();
    mirror.keycloak.accounts.clear();
    await expect(mirror.sync()).rejects.toThrow("listed 0 people");
    await mirror.hint(...gone.slice(0, 5).map((keycloakId) => ({ keycloakId, kind: "deleted" as const })));
    await waitFor(async () => (await mirror.differences()).length === 5);
    expect(await users()).toBe(30);
  });

  test("ends half-way through its list", async () => {
    for (let n = 0; n < 80; n++) mirror.keycloak.add({});
    await mirror.sync();
    removeFromKeycloak(5);
    let pages = 0;
    mirror.keycloak.fault = (path, res) => path === "users" && ++pages > 1 && answer(res, 500, "{}");
    await expect(mirror.sync()).rejects.toThrow("Keycloak");
    expect(await users()).toBe(110);
  });

  test("always answers with its first page", async () => {
    for (let n = 0; n < 80; n++) mirror.keycloak.add({});
    await mirror.sync();
    const first = JSON.stringify([...mirror.keycloak.accounts.values()].slice(0, 100));
    mirror.keycloak.fault = (path, res) => path === "users" && answer(res, 200, first);
    await expect(mirror.sync()).rejects.toThrow("the same page twice");
    expect(await users()).toBe(110);
  });
});

test("A user who signs up while the list is read is not reported as gone", async () => {
  let created: Promise<unknown> | undefined;
  mirror.keycloak.fault = () => {
    created ??= createUser(mirror.service, { keycloakId: crypto.randomUUID() });
    return false;
  };
  expect((await mirror.sync({ dryRun: true })).counts.gone).toBe(0);
  await created;
  expect(await users()).toBe(31);
});

test("Two nodes never sweep at the same time, and a sweep that failed is due again", async () => {
  const { claimSweep, postponeSweep, endSweep } = await import(
    "../../services/identities/identities.sweeps.store.ts"
  );
  const kind = "of this test" as "full"; // the service sweeps the others in the background
  await mirror.service.database.sql("INSERT INTO identity_sweeps (kind, next_at) VALUES ($1, now())", [kind]);
  const dueAgain = () => postponeSweep(kind, -1); // the database rounds times to ms
  await dueAgain();
  const claims = await Promise.all([1, 2, 3].map(() => claimSweep(kind, 60_000, 86_400_000)));
  expect(claims.filter(Boolean)).toHaveLength(1);
  await dueAgain();
  expect(await claimSweep(kind, 60_000, 86_400_000)).toBeDefined();
  await endSweep(kind, 60_000);
  expect(await claimSweep(kind, 60_000, 86_400_000)).toBeUndefined();
  expect(await claimSweep(kind, 60_000, 30_000)).toBeDefined(); // the interval was made shorter
});

test("A call of identities.sync is refused unless it is from an administrator", async () => {
  await expect(call(mirror.service.broker, "identities.sync", {})).rejects.toMatchObject({ code: 403 });
});

test("The metrics contain the number of differences by kind, and the longest time that a change may wait", async () => {
  removeFromKeycloak(11);
  await mirror.sync();
  await waitFor(async () => {
    const metrics = await (await fetch(`${mirror.service.nodeUrl}/metrics`)).text();
    return /user_service_identity_differences\{kind="gone"\} 11/.test(metrics);
  });
  const metrics = await (await fetch(`${mirror.service.nodeUrl}/metrics`)).text();
  const [, lag] = /user_service_identity_sync_lag_seconds ([\d.]+)/.exec(metrics) ?? [];
  expect(Number(lag)).toBeLessThan(30);
});
