import { describe, expect, test } from "@jest/globals";
import type { HistoryEntry } from "../../services/users/users.contract.ts";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { operatorOf } from "../helpers/erasure.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { admin, events, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import { allRows, createUser, newUser, type Person, rowOf } from "../helpers/people.ts";
import type { Asked, Headers } from "../helpers/request.ts";

/** Contract 24: which changes are recorded. */

withOneUser();

const { ask, succeed } = requestsOf();
const upload = async (colour = "#00ff00") =>
  expect((await ask(uploadOf(person.id, await jpeg({ left: colour })))).status).toBe(200);
const newest = async () => (await entriesOf(service, person.id)).at(-1);

describe("one history entry, with the version of the change, is written by", () => {
  const URL = expect.stringMatching(/\/avatar\?v=\w+$/);
  type Change = [title: string, change: () => Promise<unknown>, changes: object, eventType: string | null];
  const CHANGES: Change[] = [
    [
      "a change of the profile",
      () => succeed("PATCH", "", { profile: { bio: "new", phone: null } }),
      { bio: { from: null, to: "new" } },
      "user.updated",
    ],
    [
      "a new profile",
      () => succeed("PUT", "/profile", { fullName: "New Name", companyName: "Engines" }),
      { fullName: { from: expect.any(String), to: "New Name" }, companyName: { from: null, to: "Engines" } },
      "user.updated",
    ],
    [
      "a change of the e-mail",
      () => succeed("PUT", "/email", { email: `moved-${person.id}@example.com` }),
      { email: { from: expect.any(String), to: expect.stringMatching(/^moved-/) } },
      "user.updated",
    ],
    [
      "a change of preferences",
      () =>
        succeed("PATCH", "/preferences", { language: "de", notifications: { marketing: true, email: true } }),
      {
        "preferences.language": { from: "en", to: "de" },
        "preferences.notifications.marketing": { from: false, to: true },
      },
      "user.preferences_updated",
    ],
    [
      "a change of quotas, which has no event",
      () => succeed("PATCH", "/quotas", { maxInterviews: null }),
      { maxInterviews: { from: 10, to: null } },
      null,
    ],
    ["an avatar", () => upload(), { avatarUrl: { from: null, to: URL } }, "user.avatar_uploaded"],
    [
      "the removal of an avatar",
      () => upload().then(() => succeed("DELETE", "/avatar")),
      { avatarUrl: { from: URL, to: null } },
      "user.avatar_deleted",
    ],
    [
      "a deletion",
      () => succeed("DELETE", ""),
      { deletedAt: { from: null, to: expect.stringMatching(/Z$/) } },
      "user.deleted",
    ],
  ];

  test.each(CHANGES)("%s", async (_, change, changes, eventType) => {
    await change();
    const entry = await newest();
    const row = await rowOf(service, person.id);
    expect(entry).toMatchObject({
      version: Number(row.version),
      at: (row.updated_at as Date).toISOString(),
      changes,
    });
    expect(Object.keys(entry?.changes ?? {})).toEqual(Object.keys(changes));
    await outboxEmpty(service.database);
    const own = events.received.filter(({ userId }) => userId === person.id);
    const event = own.find(({ eventId }) => eventId === entry?.eventId);
    expect(event?.eventType ?? null).toBe(eventType);
    expect(await entriesOf(service, person.id)).toHaveLength(own.length + (eventType === null ? 1 : 0));
  });

  const FIRST = (email: string, fullName: string) => ({
    keycloakId: { from: null, to: expect.any(String) },
    email: { from: null, to: email },
    fullName: { from: null, to: fullName },
    maxInterviews: { from: null, to: 10 },
    maxStorage: { from: null, to: 5_368_709_120 },
  });

  test("a creation, by POST, by PUT and with an Idempotency-Key, each in any number of parallel sign-ups", async () => {
    const create = async (n: number) => {
      const { keycloakId, ...body } = newUser();
      const headers = { ...service.internal, ...(n % 3 === 0 && { "idempotency-key": `sign-up-${n}` }) };
      return n % 3 === 1
        ? ask({ method: "PUT", path: `${USERS}/by-keycloak/${keycloakId}`, body }, headers)
        : ask({ method: "POST", path: USERS, body: { keycloakId, ...body } }, headers);
    };
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => create(n)));
    await outboxEmpty(service.database);
    for (const { status, body } of answers) {
      const { id, email, profile } = body as unknown as Person;
      const [event] = events.received.filter(({ userId }) => userId === id);
      const { createdAt } = body;
      expect([status, await entriesOf(service, id)]).toEqual([
        201,
        [
          {
            version: 1,
            at: createdAt,
            by: { kind: "internal" },
            eventId: event?.eventId,
            traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
            changes: FIRST(email, profile.fullName),
          },
        ],
      ]);
    }
  });

  test("no refused sign-up, and no repeated sign-up", async () => {
    const { keycloakId, email } = person;
    const body = { keycloakId, email, profile: { fullName: "Person" } };
    const headers = { ...service.internal, "idempotency-key": "the-same" };
    const created = newUser();
    for (const status of [201, 201])
      expect((await ask({ method: "POST", path: USERS, body: created }, headers)).status).toBe(status);
    const count = async () => (await service.database.sql("SELECT 1 FROM user_history")).length;
    const before = await count();
    expect((await ask({ method: "POST", path: USERS, body }, service.internal)).status).toBe(409);
    const put = {
      method: "PUT",
      path: `${USERS}/by-keycloak/${keycloakId}`,
      body: { email, profile: body.profile },
    };
    expect((await ask(put, service.internal)).status).toBe(200);
    expect(await count()).toBe(before);
    expect(
      await service.database.sql("SELECT user_id FROM user_history GROUP BY 1, version HAVING count(*) > 1"),
    ).toEqual([]);
  });

  test("no refused request, and no request that changes nothing", async () => {
    const other = await createUser(service);
    await succeed("PATCH", "", { profile: { bio: "same" } });
    const before = await entriesOf(service, person.id);
    await succeed("PATCH", "", { profile: { bio: "same" } });
    await succeed("PATCH", "/preferences", { language: "en" });
    await succeed("PATCH", "/quotas", { maxInterviews: 10 });
    const taken = { method: "PUT", path: `${USERS}/${person.id}/email`, body: { email: other.email } };
    expect((await ask(taken)).status).toBe(409);
    const stale = { method: "PATCH", path: `${USERS}/${person.id}`, body: { profile: { bio: "x" } } };
    expect((await ask(stale, { ...admin, "if-match": '"1"' })).status).toBe(412);
    expect(await entriesOf(service, person.id)).toEqual(before);
  });
});

test("a change and its history entry commit together: if the entry cannot be written, nothing is changed", async () => {
  const { sql } = service.database;
  const before = [await allRows(service), await sql("SELECT * FROM user_history ORDER BY user_id, version")];
  await outboxEmpty(service.database);
  const received = events.received.length;
  await sql("ALTER TABLE user_history ADD CONSTRAINT refused CHECK (false) NOT VALID");
  try {
    const path = `${USERS}/${person.id}`;
    const asked: Asked[] = [
      { method: "PATCH", path, body: { profile: { bio: "x" } } },
      { method: "PATCH", path: `${path}/quotas`, body: { maxInterviews: 1 } },
      uploadOf(person.id, await jpeg()),
      { method: "DELETE", path },
      { method: "POST", path: USERS, body: newUser() },
    ];
    for (const one of asked) expect((await ask(one)).status).toBe(500);
  } finally {
    await sql("ALTER TABLE user_history DROP CONSTRAINT refused");
  }
  expect([await allRows(service), await sql("SELECT * FROM user_history ORDER BY user_id, version")]).toEqual(
    before,
  );
  expect(events.received.length).toBe(received);
});

test("the history contains neither counters, by whatever they change, nor the events of reached quotas", async () => {
  await succeed("PATCH", "/quotas", { maxInterviews: 1, maxStorage: 10 });
  const before = await entriesOf(service, person.id);
  const path = `${USERS}/${person.id}`;
  await ask({ method: "POST", path: `${path}/stats/increment-interviews` }, service.internal);
  const data = { fileId: crypto.randomUUID(), fileSize: 20 };
  await service.broker.emit("media.uploaded", { eventType: "media.uploaded", userId: person.id, data });
  const reserve = { method: "POST", path: `${path}/quota/reservations`, body: { resource: "interviews" } };
  await succeed("PATCH", "/quotas", { maxInterviews: 3 });
  const { reservationId } = (await ask(reserve, service.internal)).body;
  const commit = { method: "POST", path: `${path}/quota/reservations/${reservationId}/commit` };
  expect((await ask(commit, service.internal)).status).toBe(200);
  const reached = await events.of(person.id, 3);
  expect(reached.slice(1).map(({ eventType }) => eventType)).toEqual(
    expect.arrayContaining(["user.quota_exceeded", "user.quota_exceeded"]),
  );
  const after = await entriesOf(service, person.id);
  expect(after.slice(before.length)).toMatchObject([
    { changes: { maxInterviews: { from: 1, to: 3 } }, eventId: null },
  ]);
});

test("the versions of a history have gaps, because changes of counters create versions too", async () => {
  const path = `${USERS}/${person.id}/stats/increment-interviews`;
  expect((await ask({ method: "POST", path }, service.internal)).status).toBe(200);
  await succeed("PATCH", "", { profile: { bio: "new" } });
  expect((await entriesOf(service, person.id)).map(({ version }) => version)).toEqual([1, 3]);
});

test("without HISTORY_KEEP_DAYS, entries of any age are kept", async () => {
  await service.database.sql("UPDATE user_history SET at = now() - interval '50 years' WHERE user_id = $1", [
    person.id,
  ]);
  await operatorOf(service).purge();
  expect(await entriesOf(service, person.id)).toHaveLength(1);
});

describe("a history entry contains", () => {
  const patch = (headers: Headers, bio: string) => succeed("PATCH", "", { profile: { bio } }, headers);

  test("who made the change: the user, an admin, or a service, also one on behalf of a user", async () => {
    const boss = await service.user("boss", { roles: ["admin"] });
    const ownAdmin = await service.user(person.keycloakId, { roles: ["admin"] });
    const expected: [Headers, HistoryEntry["by"]][] = [
      [person.headers, { kind: "user", id: person.keycloakId }],
      [ownAdmin, { kind: "user", id: person.keycloakId }],
      [boss, { kind: "admin", id: "boss" }],
      [service.internal, { kind: "internal" }],
      [
        { ...service.internal, ...boss },
        { kind: "internal", id: "boss" },
      ],
    ];
    for (const [index, [headers, by]] of expected.entries()) {
      await patch(headers, `bio ${index}`);
      expect((await newest())?.by).toEqual(by);
    }
    await service.broker.call("users.update", { id: person.id, profile: { bio: "from the cluster" } });
    expect((await newest())?.by).toEqual({ kind: "internal" });
  });

  test("the trace of the request and the event that it published", async () => {
    const traceId = crypto.randomUUID().replaceAll("-", "");
    await patch({ ...person.headers, traceparent: `00-${traceId}-00f067aa0ba902b7-01` }, "traced");
    await outboxEmpty(service.database);
    const event = events.received.find(({ metadata }) => metadata.correlationId === traceId);
    expect(await newest()).toMatchObject({ traceId, eventId: event?.eventId });
    expect(event?.data).toEqual({ changes: { bio: "traced" } });
  });

  test("no trace if a foreign node calls with an id that is not a trace id", async () => {
    const params = { id: person.id, profile: { bio: "untraced" } };
    await service.broker.call("users.update", params, { requestID: "order-17" });
    expect((await newest())?.traceId).toBeNull();
  });

  test("a time that is never before that of the previous entry, although the clocks of nodes differ", async () => {
    await service.database.sql("UPDATE users SET updated_at = now() + interval '1 hour' WHERE id = $1", [
      person.id,
    ]);
    const row = await rowOf(service, person.id);
    const { forgetUsers } = await import("../../models/user-row.ts");
    forgetUsers([person.id]);
    await patch(person.headers, "later");
    expect((await newest())?.at).toBe((row.updated_at as Date).toISOString());
  });
});
