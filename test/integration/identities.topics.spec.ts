import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Message } from "../../services/ingest/dead-letter.ts";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 27: the topics with Keycloak's events. */

let mirror: Mirrored;
let ingest: (...messages: Message[]) => Promise<void>;
beforeAll(async () => {
  mirror = await startMirrored({
    KEYCLOAK_EVENTS_TOPICS: "keycloak-events,keycloak-admin-events,auth-events",
    IDENTITY_SYNC_SECONDS: "3600",
  });
  const module = await import("../../services/ingest/ingest.ts");
  const { broker } = mirror.service;
  ingest = (...messages) => module.ingest({ broker, logger: broker.logger }, messages);
});
afterAll(async () => {
  await mirror?.service.stop();
  await mirror?.keycloak.stop();
});

let offset = 0;
const record = (topic: string, value: unknown): Message => ({
  topic,
  partition: 0,
  offset: String(offset++),
  value: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
});
const created = (userId: string) => ({
  id: crypto.randomUUID(),
  time: Date.now(),
  operationType: "CREATE",
  resourceType: "USER",
  resourcePath: `users/${userId}`,
});
const letters = () =>
  mirror.service.database.sql<{ id: string; topic: string; code: string; message: string }>(
    "SELECT id, topic, code, message FROM dead_letters ORDER BY id",
  );

test("Keycloak's user and admin events and user.authenticated cause a read of the account, and its user is updated", async () => {
  const [byAdmin, registered, signedIn] = [{}, {}, {}].map(mirror.keycloak.add);
  const event = { id: crypto.randomUUID(), time: Date.now(), type: "REGISTER", userId: registered?.id };
  const authenticated = {
    eventId: "auth-1",
    eventType: "user.authenticated",
    data: { keycloakId: signedIn?.id },
  };
  await ingest(
    record("keycloak-admin-events", created(byAdmin?.id ?? "")),
    record("keycloak-events", event),
    record("auth-events", { ...authenticated, timestamp: new Date().toISOString() }),
  );
  for (const account of [byAdmin, registered, signedIn])
    await waitFor(() => mirror.userOf({ id: account?.id ?? "" }));
});

test("A repeated event has no second effect", async () => {
  const account = mirror.keycloak.add({});
  const event = created(account.id);
  await ingest(record("keycloak-admin-events", event));
  await mirror.settled();
  const reads = mirror.keycloak.requests.length;
  await ingest(record("keycloak-admin-events", event), record("keycloak-admin-events", { event }));
  await mirror.settled();
  expect(mirror.keycloak.requests).toHaveLength(reads);
});

test("An unreadable message becomes a dead letter that can be replayed; types without meaning for users are skipped", async () => {
  await ingest(
    record("keycloak-events", "{"),
    record("keycloak-events", { type: "REGISTER" }),
    record("keycloak-events", { type: "CODE_TO_TOKEN", userId: "u" }),
    record("auth-events", { eventType: "user.logged_out" }),
  );
  const dead = await letters();
  expect(dead).toMatchObject([
    { topic: "keycloak-events", code: "INVALID_JSON", message: "The message is not JSON" },
    { topic: "keycloak-events", code: "VALIDATION_ERROR", message: "userId must be a text" },
  ]);
  await outboxEmpty(mirror.service.database); // a relay publishes their topics, like all dead-letter topics

  const account = mirror.keycloak.add({});
  const { replayDeadLetters } = await import("../../services/ingest/dead-letter.store.ts");
  const { database } = mirror.service;
  const id = Number(dead[1]?.id);
  await database.sql("UPDATE dead_letters SET event = $2 WHERE id = $1", [
    id,
    JSON.stringify(created(account.id)),
  ]);
  await replayDeadLetters([id]);
  await waitFor(() => mirror.userOf(account));
  await waitFor(async () => (await letters()).length === 1);
});

test("Keycloak's events are read only from the configured topics", async () => {
  const account = mirror.keycloak.add({});
  await ingest(record("media-events", { ...created(account.id), eventType: "other" }));
  await mirror.settled();
  expect(await mirror.userOf(account)).toBeUndefined();
});

test("The service stops at once while Keycloak does not answer, and the read is repeated after the next start", async () => {
  mirror.keycloak.fault = () => true;
  const account = mirror.keycloak.add({});
  const before = mirror.keycloak.requests.length;
  await mirror.hint({ keycloakId: account.id });
  await waitFor(() => mirror.keycloak.requests.length > before);
  const start = performance.now();
  const { broker, database } = mirror.service;
  await broker.destroyService("identities");
  expect(performance.now() - start).toBeLessThan(2_000);
  const waiting = "SELECT claimed_until FROM identity_hints WHERE keycloak_id = $1 AND due_at IS NOT NULL";
  expect(await database.sql(waiting, [account.id])).toEqual([{ claimed_until: null }]);
});
