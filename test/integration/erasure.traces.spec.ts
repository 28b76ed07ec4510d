import { describe, expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { ask, foundIn, operatorOf, send, state } from "../helpers/erasure.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { events, person, service, turnTo, USERS, withOneUser } from "../helpers/one-user.ts";
import { createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: what an erasure removes, and what it keeps. */

withOneUser();

const eventsOf = async (type: string) => {
  await outboxEmpty(service.database);
  return events.received.filter(({ userId, eventType }) => userId === person.id && eventType === type);
};

describe("erasing", () => {
  const secret = () => crypto.randomUUID();

  /** Writes random texts to every place that can contain personal data. Returns the texts. */
  async function writeEverywhere() {
    const [sub, mail, name, company, bio, file, reason, seen] = Array.from({ length: 8 }, secret);
    turnTo(
      await createUser(service, {
        keycloakId: sub,
        email: `${mail}@example.com`,
        profile: { fullName: name, companyName: company, bio: bio ?? "" },
      }),
    );
    const headers = { "idempotency-key": secret() };
    const signUp = { ...newUser({ keycloakId: sub, email: `${mail}@example.com` }) };
    expect((await ask({ method: "POST", path: USERS, headers, body: signUp })).status).toBe(409);
    await send("PATCH", "", { profile: { bio: `${bio}2`, phone: "+49 30 901820" } }, person.headers);
    await send("PATCH", "/preferences", { language: "de", timezone: "Europe/Berlin" });
    await ask(uploadOf(person.id, await jpeg()));
    await service.broker.emit("media.uploaded", {
      eventType: "media.uploaded",
      userId: person.id.toUpperCase(),
      data: { fileId: file, fileSize: -1 },
    });
    await waitFor(async () => (await service.database.sql("SELECT FROM dead_letters")).length > 0);
    await send("POST", "/suspend", { reason });
    await service.database.sql(
      `WITH identity AS (INSERT INTO identities (user_id, seen) VALUES ($1, $2)),
       hint AS (INSERT INTO identity_hints (key, keycloak_id) VALUES ('keycloak-events:1', $3))
       INSERT INTO dead_letters (key, topic, event, code, message) VALUES ('1', 'keycloak-events', $4, '', '')`,
      [person.id, { fullName: seen }, sub, JSON.stringify({ userId: sub, details: { username: seen } })],
    );
    return [sub, mail, name, company, bio, file, reason, seen].map(String);
  }

  test("removes all texts of a person from the database and the store, and keeps the row with its counters", async () => {
    const signUp = { ...newUser(), keycloakId: secret() };
    const keyed = { method: "POST", path: USERS, headers: { "idempotency-key": secret() }, body: signUp };
    turnTo({ ...person, ...(await ask(keyed)).body } as never);
    const answered = [signUp.keycloakId, signUp.email];
    expect(await foundIn(service, answered)).toEqual(answered);
    await operatorOf(service).eraseNow(person.id);
    expect(await foundIn(service, answered)).toEqual([]);

    const texts = await writeEverywhere();
    await outboxEmpty(service.database);
    expect(await foundIn(service, texts)).toEqual(texts);
    const before = await rowOf(service, person.id);
    await service.database.sql("UPDATE users SET interviews_created = 3 WHERE id = $1", [person.id]);
    await operatorOf(service).eraseNow(person.id);
    expect(await foundIn(service, texts)).toEqual([]);
    expect(await rowOf(service, person.id)).toMatchObject({
      keycloak_id: "",
      email: "",
      full_name: "",
      company_name: null,
      phone: null,
      bio: null,
      preferences: {},
      avatar_url: null,
      avatar_key: null,
      status: "active",
      status_reason: null,
      interviews_created: 3,
      storage_used: before.storage_used,
      max_storage: before.max_storage,
    });
    await outboxEmpty(service.database);
    const { objectStore } = await import("../../lib/object-store/object-store.ts"); // after the variables are set, because the import reads the configuration
    const objects = () => Array.fromAsync(objectStore.list(`${person.id}/`));
    expect(await waitFor(async () => (await objects()).length === 0)).toBe(true);
  });

  test("removes stored answers that contain a current or former e-mail of the person, in any spelling", async () => {
    const [name, earlier] = [secret(), secret()];
    turnTo(await createUser(service, { email: `${earlier}@example.com` }));
    const refused = (email: string) =>
      ask({
        method: "POST",
        path: USERS,
        headers: { "idempotency-key": secret() },
        body: newUser({ email }),
      });
    expect((await refused(`${earlier.toUpperCase()}@example.com`)).status).toBe(409);
    await send("PUT", "/email", { email: `\u00e4.${name}@example.com` });
    for (const spelling of ["\u00c4", "A\u0308", "a\u0308"])
      expect((await refused(`${spelling}.${name}@example.com`)).status).toBe(409);
    expect((await operatorOf(service).inventory(person.id)).storedAnswers).toBe(4);
    await operatorOf(service).eraseNow(person.id);
    await outboxEmpty(service.database);
    expect(await foundIn(service, [earlier, name])).toEqual([]);
  });

  test("keeps the author, time and field names in the history, and removes all values", async () => {
    await send("PATCH", "", { profile: { bio: "mine" } }, person.headers);
    await send("PATCH", "", { profile: { bio: "yours" } });
    const before = await entriesOf(service, person.id);
    await operatorOf(service).eraseNow(person.id);
    const entries = await entriesOf(service, person.id);
    for (const [index, { version, at, changes, by, traceId }] of before.entries()) {
      const kept = { version, at, traceId, by: by.id === person.keycloakId ? { kind: by.kind } : by };
      expect(entries[index]).toMatchObject(kept);
      expect(Object.keys(entries[index]?.changes ?? {}).sort()).toEqual(Object.keys(changes).sort());
    }
    const values = entries.flatMap(({ changes }) => Object.values(changes));
    expect(values).toEqual(values.map(() => ({ from: null, to: null })));
  });

  test("publishes one user.erased that contains only the erasureId, and adds a history entry that names the event", async () => {
    const { erasureId } = (await send("POST", "/erasure")).body;
    await operatorOf(service).eraseNow(person.id);
    const [event, ...more] = await eventsOf("user.erased");
    expect([event?.data, more]).toEqual([{ erasureId }, []]);
    expect((await entriesOf(service, person.id)).at(-1)?.eventId).toBe(event?.eventId);
  });

  test("removes waiting records with personal data from the outbox, and publishes the deletion and the erasure", async () => {
    const waiting = (type: string, more = {}) =>
      JSON.stringify({ eventType: type, userId: person.id, ...more });
    const record = (topic: string, key: string | null, value: string) =>
      service.database.sql(
        "INSERT INTO outbox (topic, key, value, set_aside_at, fault) VALUES ($1, $2, $3, now(), 'X')",
        [topic, key, value],
      );
    await record("user-events", person.id, waiting("user.updated", { data: { changes: { bio: "x" } } }));
    await record("user-events", person.id, waiting("user.deleted", { data: { reason: "user_request" } }));
    await record("media-events-dlq", null, JSON.stringify({ originalEvent: { userId: person.id } }));
    await operatorOf(service).eraseNow(person.id);
    const left = await service.database.sql<{ type: string }>(
      "SELECT value ->> 'eventType' AS type FROM outbox WHERE value::text LIKE $1 ORDER BY id",
      [`%${person.id}%`],
    );
    await service.database.sql("DELETE FROM outbox");
    expect(left.map(({ type }) => type)).toEqual(["user.deleted", "user.deleted", "user.erased"]);
  });

  test("removes legal holds, also released ones, and the reasons of all erasures of the user", async () => {
    const reason = secret();
    await send("PUT", "/hold", { reason });
    await send("DELETE", "/hold", { reason });
    await send("POST", "/erasure", { reason });
    await send("DELETE", "/erasure");
    await send("POST", "/erasure", { reason });
    expect(await foundIn(service, [reason])).toEqual([reason]);
    await operatorOf(service).eraseNow(person.id);
    expect(await foundIn(service, [reason])).toEqual([]);
  });

  test("keeps the sub of an erased admin in the history of other users", async () => {
    const headers = await service.user(person.keycloakId, { roles: ["admin"] });
    const other = await createUser(service);
    const body = { profile: { bio: "by an admin" } };
    expect((await ask({ method: "PATCH", path: `${USERS}/${other.id}`, body }, headers)).status).toBe(200);
    await operatorOf(service).eraseNow(person.id);
    const by = (await entriesOf(service, other.id)).at(-1)?.by;
    expect(by).toEqual({ kind: "admin", id: person.keycloakId });
  });

  test("keeps the user in GET /users?deleted=true, without data", async () => {
    await operatorOf(service).eraseNow(person.id);
    const listed = await ask({ path: `${USERS}?deleted=true&limit=100` });
    expect(listed.status).toBe(200);
    const { items } = listed.body as unknown as { items: Person[] };
    expect(items.find(({ id }) => id === person.id)).toMatchObject({
      keycloakId: "",
      email: "",
      profile: { fullName: "", companyName: null, phone: null, bio: null, avatarUrl: null },
    });
  });

  test("does not change any other user", async () => {
    const other = await createUser(service);
    await ask({ method: "PATCH", path: `${USERS}/${other.id}`, body: { profile: { bio: "mine" } } });
    const before = [await rowOf(service, other.id), await entriesOf(service, other.id)];
    await operatorOf(service).eraseNow(person.id);
    expect([await rowOf(service, other.id), await entriesOf(service, other.id)]).toEqual(before);
  });

  test("lets the person sign up again, as another user", async () => {
    await operatorOf(service).eraseNow(person.id);
    const again = await createUser(service, { keycloakId: person.keycloakId, email: person.email });
    expect(again.id).not.toBe(person.id);
  });

  test("that fails at any statement changes nothing, and the next attempt succeeds", async () => {
    await outboxEmpty(service.database);
    const whole = async () => [await state(), await service.database.sql("SELECT id FROM outbox")];
    const before = await whole();
    for (const table of [
      "user_history",
      "outbox",
      "dead_letters",
      "idempotent_answers",
      "legal_holds",
      "erasures",
    ]) {
      await service.database.sql(`
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stop'; END $$;
        CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON ${table} EXECUTE FUNCTION fail()`);
      await expect(operatorOf(service).eraseNow(person.id)).rejects.toThrow();
      await service.database.sql(`DROP TRIGGER fail ON ${table}; DROP FUNCTION fail()`);
      expect([table, await whole()]).toEqual([table, before]);
    }
    await operatorOf(service).eraseNow(person.id);
    expect((await rowOf(service, person.id)).email).toBe("");
  });
});

test("an inventory counts the stored data of a user in each place, and none after the erasure", async () => {
  await send("PATCH", "", { profile: { bio: "mine" } });
  await send("PUT", "/hold", { reason: "court case" });
  await service.database.sql(
    `WITH identity AS (INSERT INTO identities (user_id) VALUES ($1))
     INSERT INTO identity_hints (key, keycloak_id) VALUES ('keycloak-events:2', $2)`,
    [person.id, person.keycloakId],
  );
  expect(await operatorOf(service).inventory(person.id)).toMatchObject({
    erasure: null,
    hold: { reason: "court case" },
    fields: ["keycloakId", "email", "fullName", "bio"],
    historyEntries: 2,
    deadLetters: 0,
    identities: 1,
    identityHints: 1,
    storedAnswers: 0,
  });
  await send("DELETE", "/hold");
  await operatorOf(service).eraseNow(person.id);
  expect(await operatorOf(service).inventory(person.id)).toMatchObject({
    erasure: { status: "complete" },
    hold: null,
    fields: [],
    outboxRecords: 0,
    deadLetters: 0,
    identities: 0,
    identityHints: 0,
    storedAnswers: 0,
  });
});
