import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";
import { createUser } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: users are mirrored from Keycloak. */

let mirror: Mirrored;
beforeAll(async () => {
  mirror = await startMirrored();
});
afterEach(() => {
  mirror.keycloak.fault = () => false;
});
afterAll(async () => {
  await mirror?.service.stop();
  await mirror?.keycloak.stop();
});

const historyOf = (id: string) =>
  mirror.service.database.sql(
    "SELECT by_kind, event_id, changes FROM user_history WHERE user_id = $1 ORDER BY version",
    [id],
  );

test("A hint of a person without a user creates the user, and the event's causationId is Keycloak's event id", async () => {
  const account = mirror.keycloak.add({ firstName: "Grace", lastName: "Hopper", email: "grace@example.com" });
  await mirror.hint({ keycloakId: account.id, eventId: "kc-1" });
  const user = await waitFor(() => mirror.userOf(account));
  expect(user).toMatchObject({ email: "grace@example.com", full_name: "Grace Hopper", status: "active" });
  const [created] = await mirror.events.of(user.id, 1);
  expect(created).toMatchObject({ eventType: "user.created", metadata: { causationId: "kc-1" } });
  expect(await historyOf(user.id)).toMatchObject([{ by_kind: "keycloak" }]);
});

test("A new name and a new e-mail in Keycloak publish one user.updated", async () => {
  const { account, user } = await mirror.mirrored();
  Object.assign(account, { firstName: "Joan", lastName: "Clarke", email: "joan@example.com" });
  const eventId = mirror.report("UPDATE", account);
  const [, updated] = await mirror.events.of(user.id, 2);
  expect(updated).toMatchObject({
    eventType: "user.updated",
    data: { changes: { fullName: "Joan Clarke", email: "joan@example.com" } },
    metadata: { causationId: eventId },
  });
  await mirror.settled();
  expect(mirror.events.received.filter(({ userId }) => userId === user.id)).toHaveLength(2);
});

test("Disabling an account suspends its user, and enabling it activates the user", async () => {
  const { account, user } = await mirror.mirrored();
  account.enabled = false;
  mirror.report("UPDATE", account);
  const [, suspended] = await mirror.events.of(user.id, 2);
  expect(suspended).toMatchObject({ eventType: "user.suspended", data: { reason: "identity_disabled" } });
  expect(await mirror.userOf(account)).toMatchObject({ status: "suspended" });
  account.enabled = true;
  mirror.report("UPDATE", account);
  const [, , activated] = await mirror.events.of(user.id, 3);
  expect(activated).toMatchObject({ eventType: "user.activated" });
});

test("A disabled account creates a suspended user", async () => {
  const { user } = await mirror.mirrored({ enabled: false });
  expect((await mirror.events.of(user.id, 2)).map(({ eventType }) => eventType)).toEqual([
    "user.created",
    "user.suspended",
  ]);
});

test("Deleting an account deletes its user with the reason identity_deleted", async () => {
  const { account, user } = await mirror.mirrored();
  mirror.keycloak.add({});
  mirror.keycloak.accounts.delete(account.id);
  const eventId = mirror.report("DELETE", account);
  const [, deleted] = await mirror.events.of(user.id, 2);
  expect(deleted).toMatchObject({
    eventType: "user.deleted",
    data: { reason: "identity_deleted" },
    metadata: { causationId: eventId },
  });
});

test("The user's own edit of the name wins until Keycloak changes that field", async () => {
  const { account, user } = await mirror.mirrored({ firstName: "Ada", lastName: "King" });
  const headers = await mirror.service.user(account.id);
  const path = `/api/v1/users/${user.id}`;
  await mirror.service.http
    .patch(path)
    .set(headers)
    .send({ profile: { fullName: "Countess" } })
    .expect(200);
  account.email = "countess@example.com";
  mirror.report("UPDATE", account);
  await waitFor(async () => (await mirror.userOf(account))?.email === "countess@example.com");
  expect(await mirror.userOf(account)).toMatchObject({ full_name: "Countess" });
  account.lastName = "Lovelace";
  mirror.report("UPDATE", account);
  await waitFor(async () => (await mirror.userOf(account))?.full_name === "Ada Lovelace");
});

test("An admin's suspension is kept until Keycloak disables or enables the account", async () => {
  const { account, user } = await mirror.mirrored();
  const suspend = { id: user.id, reason: "Sent spam" };
  await mirror.service.broker.call("identities.suspend", suspend);
  account.lastName = "Byron";
  mirror.report("UPDATE", account);
  await waitFor(async () => (await mirror.userOf(account))?.full_name === "Ada Byron");
  expect(await mirror.userOf(account)).toMatchObject({ status: "suspended", status_reason: "Sent spam" });
});

test("At the first comparison the user's name is kept, and the e-mail is taken over from Keycloak", async () => {
  const account = mirror.keycloak.add({ firstName: "Other", lastName: "Name" });
  const person = await createUser(mirror.service, { keycloakId: account.id, email: "old@example.com" });
  await mirror.hint({ keycloakId: account.id });
  await waitFor(async () => (await mirror.userOf(account))?.email === account.email);
  expect(await mirror.userOf(account)).toMatchObject({ full_name: person.profile.fullName });
});

test("An e-mail that belongs to another user is a difference, does not link the two, and is applied once it is free", async () => {
  const first = await mirror.mirrored({ email: "wanted@example.com" });
  const second = await mirror.mirrored();
  const third = mirror.keycloak.add({ email: "wanted@example.com" });
  second.account.email = "wanted@example.com";
  second.account.lastName = "Renamed";
  await mirror.hint({ keycloakId: second.account.id }, { keycloakId: third.id });
  await waitFor(async () => (await mirror.userOf(second.account))?.full_name === "Ada Renamed");
  await waitFor(async () => (await mirror.differences()).length === 2);
  expect((await mirror.differences()).map(({ kind }) => kind).sort()).toEqual(["email", "missing"]);
  expect(await mirror.userOf(third)).toBeUndefined();
  third.email = "third@example.com";
  first.account.email = "free@example.com";
  mirror.report("UPDATE", first.account);
  await waitFor(async () => (await mirror.userOf(second.account))?.email === "wanted@example.com");
  await waitFor(() => mirror.userOf(third));
  await waitFor(async () => (await mirror.differences()).length === 0);
});

test("If e-mails are passed on in a chain of users, each user gets the right one, in any order of the hints", async () => {
  const chain = [await mirror.mirrored(), await mirror.mirrored(), await mirror.mirrored()];
  const emails = chain.map(({ account }) => account.email ?? "");
  for (const [index, { account }] of chain.entries()) account.email = emails[index + 1] ?? "end@example.com";
  await mirror.hint(...chain.map(({ account }) => ({ keycloakId: account.id })));
  for (const [index, { account }] of chain.entries())
    await waitFor(
      async () => (await mirror.userOf(account))?.email === (emails[index + 1] ?? "end@example.com"),
    );
});

test("A name or an e-mail that our contract refuses is a difference, and other changes are still applied", async () => {
  const { account } = await mirror.mirrored();
  Object.assign(account, { firstName: "x".repeat(200), email: undefined, enabled: false });
  mirror.report("UPDATE", account);
  await waitFor(async () => (await mirror.userOf(account))?.status === "suspended");
  await waitFor(async () => (await mirror.differences()).some(({ keycloakId }) => keycloakId === account.id));
  Object.assign(account, { firstName: "Ann", email: "ann@example.com" });
  mirror.report("UPDATE", account);
  await waitFor(async () => (await mirror.userOf(account))?.full_name === "Ann King");
  await waitFor(async () => (await mirror.differences()).length === 0);
});

test("One person whom Keycloak cannot return does not block the others", async () => {
  const broken = mirror.keycloak.add({});
  mirror.keycloak.fault = (path, res) => {
    if (path !== `users/${broken.id}`) return false;
    res.writeHead(500).end();
    return true;
  };
  const account = mirror.keycloak.add({});
  await mirror.hint({ keycloakId: broken.id }, { keycloakId: account.id });
  await waitFor(() => mirror.userOf(account));
  expect(await mirror.userOf(broken)).toBeUndefined();
  mirror.keycloak.fault = () => false;
  await waitFor(() => mirror.userOf(broken));
});

test("A hint that arrives before Keycloak returns the change is read again after 2 s", async () => {
  const { account } = await mirror.mirrored();
  await mirror.settled();
  const reads = () => mirror.keycloak.requests.filter((path) => path === `users/${account.id}`).length;
  const before = reads();
  await mirror.hint({ keycloakId: account.id });
  await waitFor(() => reads() === before + 1);
  account.lastName = "Late";
  await waitFor(async () => (await mirror.userOf(account))?.full_name === "Ada Late");
  await mirror.settled();
  expect(reads()).toBe(before + 2);
});

test("A hint of a change that was undone changes nothing", async () => {
  const keycloakId = crypto.randomUUID();
  await mirror.hint({ keycloakId }, { keycloakId, kind: "deleted" });
  await mirror.settled();
  expect(await mirror.userOf({ id: keycloakId })).toBeUndefined();
});

test("An event that both a topic and a sweep deliver is one hint", async () => {
  const account = mirror.keycloak.add({});
  const key = `keycloak:${mirror.report("CREATE", account)}`;
  await mirror.hint({ keycloakId: account.id, key });
  expect(await mirror.hint({ keycloakId: account.id, key })).toEqual(["duplicate"]);
  await mirror.settled();
  expect(
    await mirror.service.database.sql("SELECT 1 FROM identity_hints WHERE keycloak_id = $1", [account.id]),
  ).toHaveLength(1);
});

test("A user who was deleted here is not recreated, and is not a difference", async () => {
  const { account, user } = await mirror.mirrored();
  await mirror.service.http
    .delete(`/api/v1/users/${user.id}`)
    .set(await mirror.service.user(account.id))
    .expect(200);
  mirror.report("UPDATE", account);
  await mirror.settled();
  expect(await mirror.userOf(account)).toMatchObject({ id: user.id, deleted_at: expect.any(Date) });
  expect(
    (await mirror.sync({ dryRun: true })).differences.filter(({ keycloakId }) => keycloakId === account.id),
  ).toEqual([]);
});

test("The service account of a client gets no user", async () => {
  const account = mirror.keycloak.add({ username: "service-account-billing" });
  await mirror.hint({ keycloakId: account.id });
  await mirror.settled();
  expect(await mirror.userOf(account)).toBeUndefined();
});

test("A sign-in sets lastSeenAt, also of a user whom it creates", async () => {
  const { account, user } = await mirror.mirrored();
  const at = new Date(Date.now() - 1_000).toISOString();
  const signIn = { kind: "signed-in" as const, keycloakId: account.id };
  await mirror.hint({ ...signIn, at }, { ...signIn, at: "2020-01-01T00:00:00.000Z" });
  expect(await mirror.service.broker.call("identities.get", { id: user.id })).toMatchObject({
    lastSeenAt: at,
    emailVerified: true,
    lastSyncedAt: expect.any(String),
  });
  const fresh = mirror.keycloak.add({});
  await mirror.hint({ ...signIn, keycloakId: fresh.id, at });
  const { id } = await waitFor(() => mirror.userOf(fresh));
  await mirror.settled();
  expect(await mirror.service.broker.call("identities.get", { id })).toMatchObject({ lastSeenAt: at });
});

test("An expired token for the admin API is renewed", async () => {
  mirror.keycloak.expireTokens();
  await mirror.mirrored();
});

test("A sweep every IDENTITY_SYNC_SECONDS reads the events since the last one, with two minutes of overlap", async () => {
  const account = mirror.keycloak.add({});
  const before = Date.now();
  mirror.report("CREATE", account);
  await waitFor(() => mirror.userOf(account));
  const first = mirror.keycloak.sinces.length;
  await waitFor(() => mirror.keycloak.sinces.length >= first + 2);
  expect(mirror.keycloak.sinces.at(-1)).toBeGreaterThanOrEqual(before - 120_000);
  expect(mirror.keycloak.sinces.at(-1)).toBeLessThanOrEqual(Date.now() - 120_000);
});

test("While a node processes a hint of a person, no node claims another one of this person", async () => {
  const account = mirror.keycloak.add({});
  const { sql } = mirror.service.database;
  const text =
    "INSERT INTO identity_hints (key, keycloak_id, due_at, claimed_until) VALUES ($1, $2, now(), $3)";
  await sql(text, ["a", account.id, new Date(Date.now() + 3_600_000)]);
  await sql(text, ["b", account.id, null]);
  const { claimHints } = await import("../../services/identities/identities.hints.store.ts");
  expect((await claimHints(9, 60_000)).filter(({ keycloakId }) => keycloakId === account.id)).toEqual([]);
  await sql("UPDATE identity_hints SET claimed_until = NULL WHERE key = 'a'");
  await waitFor(() => mirror.userOf(account));
});

test("If Keycloak changes to the name that the user already has, a later edit of the user is kept", async () => {
  const { account, user } = await mirror.mirrored({ firstName: "Ada", lastName: "Old" });
  await mirror.settled();
  const rename = async (fullName: string) => {
    const headers = await mirror.service.user(account.id);
    const path = `/api/v1/users/${user.id}`;
    await mirror.service.http.patch(path).set(headers).send({ profile: { fullName } }).expect(200);
  };
  await rename("Ada New");
  account.lastName = "New";
  await mirror.sync();
  await rename("Ada Mine");
  await mirror.sync();
  expect(await mirror.userOf(account)).toMatchObject({ full_name: "Ada Mine" });
});
