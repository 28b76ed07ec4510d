import { describe, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { entriesOf } from "../helpers/history.ts";
import { events, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import { rowOf } from "../helpers/people.ts";
import type { Headers } from "../helpers/request.ts";

/** Contract 27: the status of users. */

withOneUser();

const { ask, send, succeed } = requestsOf();
const suspend = (reason = "Sent spam", headers?: Headers) => succeed("POST", "/suspend", { reason }, headers);
const activate = () => succeed("POST", "/activate");

const unknown = { emailVerified: null, lastSeenAt: null, lastSyncedAt: null };
const ACTIVE = { status: "active", reason: null, ...unknown };
const SUSPENDED = { status: "suspended", reason: "Sent spam", ...unknown };

test("the identity of a user contains its status, its reason and the data from Keycloak", async () => {
  expect((await succeed("GET", "/identity", undefined, person.headers)).body).toEqual(ACTIVE);
  const at = "2026-03-01T10:00:00.000Z";
  await service.database.sql("INSERT INTO identities VALUES ($1, true, $2, $2, NULL)", [person.id, at]);
  const { body } = await succeed("GET", "/identity");
  expect(body).toEqual({ ...ACTIVE, emailVerified: true, lastSeenAt: at, lastSyncedAt: at });
});

describe("a suspension", () => {
  test("by an admin returns the identity, and publishes one user.suspended with the reason", async () => {
    expect((await suspend()).body).toEqual(SUSPENDED);
    expect((await succeed("GET", "/identity")).body).toEqual(SUSPENDED);
    const [, event] = await events.of(person.id, 2);
    expect(event).toMatchObject({ eventType: "user.suspended", data: { reason: "Sent spam" } });
  });

  test("by an internal service ends with one user.activated {}", async () => {
    await suspend("Sent spam", service.internal);
    expect((await succeed("POST", "/activate", undefined, service.internal)).body).toEqual(ACTIVE);
    const received = await events.of(person.id, 3);
    expect(received.map(({ eventType, data }) => [eventType, data]).slice(1)).toEqual([
      ["user.suspended", { reason: "Sent spam" }],
      ["user.activated", {}],
    ]);
    await succeed("GET", "", undefined, person.headers);
  });

  test("writes one history entry for each change of status or reason, with its event", async () => {
    await suspend();
    await suspend("Sent more spam");
    await activate();
    const received = await events.of(person.id, 4);
    const entries = (await entriesOf(service, person.id)).slice(1);
    expect(entries.map(({ changes }) => changes)).toEqual([
      { status: { from: "active", to: "suspended" }, statusReason: { from: null, to: "Sent spam" } },
      { statusReason: { from: "Sent spam", to: "Sent more spam" } },
      { status: { from: "suspended", to: "active" }, statusReason: { from: "Sent more spam", to: null } },
    ]);
    expect(entries.map(({ eventId }) => eventId)).toEqual(received.slice(1).map(({ eventId }) => eventId));
    expect(entries.map(({ by }) => by)).toEqual(Array(3).fill({ kind: "admin", id: "an-admin" }));
  });

  test("with the same reason changes nothing if it is repeated, and neither does activating an active user", async () => {
    await activate();
    await suspend();
    const before = [await rowOf(service, person.id), await entriesOf(service, person.id)];
    expect((await suspend()).body).toEqual(SUSPENDED);
    expect([await rowOf(service, person.id), await entriesOf(service, person.id)]).toEqual(before);
    expect(before[0]).toMatchObject({ version: 2 });
    await activate();
    expect(await events.of(person.id, 3)).toHaveLength(3);
  });

  test.each([{}, { reason: "" }, { reason: null }, { reason: "x".repeat(501) }, { reason: 1 }])(
    "with the body %j is 400",
    async (body) => {
      expect((await send("POST", "/suspend", body)).body).toEqual(
        errorBody(400, "Validation failed", undefined, ["reason"]),
      );
    },
  );

  test("of a user that does not exist or was deleted is 404", async () => {
    await succeed("DELETE");
    for (const rest of ["/suspend", "/activate", "/identity"]) {
      const method = rest === "/identity" ? "GET" : "POST";
      const { body } = await send(method, rest, rest === "/suspend" ? { reason: "Sent spam" } : undefined);
      expect(body).toEqual(errorBody(404, `User with ID ${person.id} not found`));
    }
  });

  test("is not changed by a revert, and is not part of the versions of the user", async () => {
    await suspend();
    await succeed("PATCH", "", { profile: { bio: "new" } });
    await succeed("POST", "/revert", { version: 1 });
    expect((await succeed("GET", "/identity")).body).toEqual(SUSPENDED);
    for (const version of [1, 2, 3, 4]) {
      const { body } = await succeed("GET", `?version=${version}`);
      expect(Object.keys(body).sort()).toEqual(
        [...Object.keys(person).filter((name) => name !== "headers"), "preferences"].sort(),
      );
    }
  });

  test("is kept if the user is deleted and restored", async () => {
    await suspend();
    await succeed("DELETE");
    await succeed("POST", "/restore");
    expect((await succeed("GET", "/identity")).body).toEqual(SUSPENDED);
    expect((await send("GET", "", undefined, person.headers)).status).toBe(403);
  });
});

test("a new user is active, although a deleted user with the same keycloakId was suspended", async () => {
  await suspend();
  await succeed("DELETE");
  const { keycloakId, email } = person;
  const body = { keycloakId, email, profile: { fullName: "Ada Lovelace" } };
  expect((await ask({ method: "POST", path: USERS, body }, person.headers)).status).toBe(201);
  expect((await ask({ path: `${USERS}/me/identity` }, person.headers)).body).toEqual(ACTIVE);
  expect((await send("GET", "/export", undefined, person.headers)).status).toBe(403);
});
