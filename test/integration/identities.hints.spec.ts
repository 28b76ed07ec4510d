import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";
import { createUser } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: people who cannot be mirrored, and concurrent hints. */

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

const sql = (text: string, values: unknown[]) => mirror.service.database.sql(text, values);
const waiting = (keycloakId: string) =>
  sql("SELECT difference FROM identity_hints WHERE keycloak_id = $1 AND due_at IS NOT NULL", [keycloakId]);
const readsOf = (keycloakId: string) =>
  mirror.keycloak.requests.filter((path) => path === `users/${keycloakId}`).length;

test("Many people whom Keycloak cannot return do not block a later person", async () => {
  const broken = Array.from({ length: 6 }, () => mirror.keycloak.add({}));
  mirror.keycloak.fault = (path, res) => {
    if (!broken.some(({ id }) => path === `users/${id}`)) return false;
    res.writeHead(500).end();
    return true;
  };
  await mirror.hint(...broken.map(({ id }) => ({ keycloakId: id })));
  const account = mirror.keycloak.add({});
  await mirror.hint({ keycloakId: account.id });
  await waitFor(() => mirror.userOf(account));
  mirror.keycloak.fault = () => false;
  for (const one of broken) await waitFor(() => mirror.userOf(one));
});

test("The hints of a person who remains a difference do not accumulate", async () => {
  const account = mirror.keycloak.add({ email: undefined });
  for (let n = 1; n <= 3; n++) {
    await mirror.hint(...Array(5).fill({ keycloakId: account.id, kind: "signed-in" }));
    await waitFor(() => readsOf(account.id) >= 2 * n); // each hint is read again after 2 s
  }
  await waitFor(async () => (await waiting(account.id)).length === 1);
  expect(await waiting(account.id)).toEqual([{ difference: "missing" }]);
  account.email = "late@example.com";
  await mirror.hint({ keycloakId: account.id });
  await waitFor(() => mirror.userOf(account));
  await waitFor(async () => (await waiting(account.id)).length === 0);
});

test("Hundreds of hints of one person cause one read, and one more after 2 s", async () => {
  const { account } = await mirror.mirrored();
  await mirror.settled();
  const before = readsOf(account.id);
  await mirror.hint(...Array.from({ length: 500 }, () => ({ keycloakId: account.id })));
  await mirror.settled();
  expect(readsOf(account.id)).toBe(before + 2);
});

test("A user whose account is gone without an event is kept, as a difference, until Keycloak returns the account again", async () => {
  const { account, user } = await mirror.mirrored();
  mirror.keycloak.add({});
  mirror.keycloak.accounts.delete(account.id);
  await mirror.hint({ keycloakId: account.id });
  await waitFor(async () => (await waiting(account.id)).some(({ difference }) => difference === "gone"));
  expect(await mirror.userOf(account)).toMatchObject({ id: user.id, deleted_at: null });
  mirror.keycloak.accounts.set(account.id, account);
  await waitFor(async () => (await waiting(account.id)).length === 0);
});

test("A user whose user name resembles a service account is mirrored, and is not reported as gone", async () => {
  const account = mirror.keycloak.add({ username: "service-account-evil" });
  await createUser(mirror.service, { keycloakId: account.id, email: account.email });
  const { differences } = await mirror.sync({ dryRun: true });
  expect(differences.filter(({ keycloakId }) => keycloakId === account.id)).toEqual([]);
  account.enabled = false;
  await mirror.hint({ keycloakId: account.id });
  await waitFor(async () => (await mirror.userOf(account))?.status === "suspended");
});

test("While one node processes a hint, other nodes do not read the person", async () => {
  const { account } = await mirror.mirrored();
  await mirror.settled();
  await sql(
    `INSERT INTO identity_hints (key, keycloak_id, due_at, claimed_until)
     VALUES ('elsewhere', $1, now(), now() + interval '1 minute')`,
    [account.id],
  );
  const before = readsOf(account.id);
  const other = mirror.keycloak.add({});
  await mirror.hint({ keycloakId: account.id }, { keycloakId: other.id });
  await waitFor(() => mirror.userOf(other));
  expect(readsOf(account.id)).toBe(before);
  await sql("UPDATE identity_hints SET claimed_until = NULL WHERE key = $1", ["elsewhere"]);
  await waitFor(() => readsOf(account.id) > before);
});

test("If a node dies before it records a change of Keycloak, later edits of the user are kept and nothing is doubled", async () => {
  const { account, user } = await mirror.mirrored({ firstName: "Ada", lastName: "Old" });
  await mirror.settled();
  await sql("ALTER TABLE identities ADD CONSTRAINT refused CHECK (false) NOT VALID", []); // as if the node dies there
  Object.assign(account, { lastName: "New", enabled: false });
  await mirror.hint({ keycloakId: account.id });
  await waitFor(async () => (await mirror.userOf(account))?.status === "suspended");
  expect(await mirror.userOf(account)).toMatchObject({ full_name: "Ada New" });
  await mirror.service.broker.call("users.update", { id: user.id, profile: { fullName: "Ada Mine" } });
  await mirror.service.broker.call("identities.activate", { id: user.id });
  await sql("ALTER TABLE identities DROP CONSTRAINT refused", []);
  const { differences } = await mirror.sync({ dryRun: true });
  expect(differences.filter(({ keycloakId }) => keycloakId === account.id)).toEqual([]);
  await mirror.settled();
  expect(await mirror.userOf(account)).toMatchObject({ full_name: "Ada Mine", status: "active" });
  account.lastName = "Newest";
  await mirror.hint({ keycloakId: account.id });
  const types = (await mirror.events.of(user.id, 6)).map(({ eventType }) => eventType);
  const [created, updated] = ["user.created", "user.updated"];
  expect(types).toEqual([created, updated, "user.suspended", updated, "user.activated", updated]);
  expect(await mirror.userOf(account)).toMatchObject({ full_name: "Ada Newest", status: "active" });
});

test("A sign-in during an erasure leaves no data of the user", async () => {
  const { account, user } = await mirror.mirrored();
  await mirror.settled();
  const erasing = await mirror.service.database.begin();
  await erasing.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [user.id]);
  await erasing.query("UPDATE users SET deleted_at = now() WHERE id = $1", [user.id]);
  await erasing.query("DELETE FROM identities WHERE user_id = $1", [user.id]);
  const received = mirror.hint({ keycloakId: account.id, kind: "signed-in" });
  await waitFor(() => mirror.service.database.someoneWaits());
  await erasing.query("COMMIT");
  await erasing.end();
  await received;
  expect(await sql("SELECT 1 FROM identities WHERE user_id = $1", [user.id])).toEqual([]);
});

test("A hint of an erased person is deleted by the next purge", async () => {
  const { purgeHints } = await import("../../services/identities/identities.hints.store.ts");
  const { account } = await mirror.mirrored();
  const erased = crypto.randomUUID();
  await sql(
    `INSERT INTO erasures (id, user_id, due_at, erased_at, keycloak_digest)
     SELECT gen_random_uuid(), id, now(), now(), sha256($1::text::bytea) FROM users WHERE keycloak_id = $2`,
    [erased, account.id],
  );
  await mirror.hint({ keycloakId: erased, kind: "deleted" });
  await mirror.settled();
  await purgeHints();
  const left = await sql("SELECT DISTINCT keycloak_id FROM identity_hints WHERE keycloak_id = ANY($1)", [
    [erased, account.id],
  ]);
  expect(left).toEqual([{ keycloak_id: account.id }]);
});
