import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isStorable } from "../../lib/contract/fields.ts";
import { readKeycloakEvent } from "../../lib/keycloak/event.ts";
import { readMessage } from "../../services/ingest/ingest.rules.ts";

/** Contract 27: Keycloak's events, in the formats of the common listeners. */

const userId = "1e934cbc-7ed0-438b-b69e-3f539395b7c0";
const time = 1795729879404;
const at = new Date(time).toISOString();
const userEvent = {
  id: "evt-1",
  time,
  type: "UPDATE_PROFILE",
  realmId: "r",
  userId,
  error: null,
  details: {},
};
const adminEvent = {
  id: "evt-2",
  time,
  realmId: "r",
  operationType: "UPDATE",
  resourceType: "USER",
  resourcePath: `users/${userId}`,
  representation: "{}",
  authDetails: { userId: "an-admin" },
};
const hint = (kind: string, eventId = "evt-1") => ({
  kind: "hint",
  hint: { key: `keycloak:${eventId}`, kind, keycloakId: userId, eventId, at },
});

describe("a user event", () => {
  test.each([
    ["REGISTER", "changed"],
    ["UPDATE_PROFILE", "changed"],
    ["UPDATE_EMAIL", "changed"],
    ["VERIFY_EMAIL", "changed"],
    ["DELETE_ACCOUNT", "deleted"],
    ["LOGIN", "signed-in"],
  ])("%s is a hint: %s", (type, kind) => {
    expect(readKeycloakEvent({ ...userEvent, type })).toEqual(hint(kind));
  });

  test.each(["LOGIN_ERROR", "LOGOUT", "CODE_TO_TOKEN", "CLIENT_LOGIN", "toString"])(
    "%s is skipped",
    (type) => {
      expect(readKeycloakEvent({ ...userEvent, type })).toEqual({ kind: "skip" });
    },
  );

  test("with an error is skipped", () => {
    expect(readKeycloakEvent({ ...userEvent, error: "user_not_found" })).toEqual({ kind: "skip" });
  });

  test.each([
    [
      "with the class name of the listener",
      { "@class": "com.example.EventClientNotificationMqMsg", ...userEvent },
    ],
    ["in an object named event", { event: userEvent, realm: "test" }],
    ["in an object named payload", { payload: userEvent }],
    ["with eventId and timestamp", { type: userEvent.type, userId, eventId: "evt-1", timestamp: at }],
    ["with a type that names its origin", { ...userEvent, type: "access.UPDATE_PROFILE", uid: "evt-1" }],
  ])("is read %s", (_form, message) => {
    expect(readKeycloakEvent(message)).toEqual(hint("changed"));
  });

  test.each([8.64e15, -1e14, "0000-01-01T00:00:00Z", "never", {}])(
    "is read without its time if that is %j, which cannot be stored",
    (time) => {
      expect(readKeycloakEvent({ ...userEvent, time })).toMatchObject({ hint: { at: undefined } });
    },
  );

  test("of a user from a federated directory is read with the id, which contains the user name there", () => {
    const userId = "f:1e934cbc-7ed0-438b-b69e-3f539395b7c0:jörg müller";
    expect(readKeycloakEvent({ ...userEvent, userId })).toMatchObject({ hint: { keycloakId: userId } });
  });

  test.each(["", " ", "a\0b", "\ud800", "x".repeat(256), null, 7, undefined])(
    "becomes a dead letter if the user id is %j, which is invalid",
    (userId) => {
      expect(readKeycloakEvent({ ...userEvent, userId })).toMatchObject({ kind: "dead" });
    },
  );

  test("without an id has the same key each time that it is read", () => {
    const { id: _id, ...event } = userEvent;
    const read = readKeycloakEvent(event);
    expect(read).toEqual(readKeycloakEvent({ ...event }));
    expect(read).toMatchObject({ hint: { key: expect.stringMatching(/^keycloak:[0-9a-f]{64}$/) } });
    expect(read).not.toEqual(readKeycloakEvent({ ...event, time: time + 1 }));
  });
});

describe("an admin event", () => {
  test.each([
    ["CREATE", "changed"],
    ["UPDATE", "changed"],
    ["DELETE", "deleted"],
  ])("%s of a user is a hint: %s", (operationType, kind) => {
    expect(readKeycloakEvent({ ...adminEvent, operationType })).toEqual(hint(kind, "evt-2"));
  });

  test.each([
    ["of a path below a user", { resourcePath: `users/${userId}/reset-password` }],
    [
      "of a role of the user",
      { resourceType: "REALM_ROLE_MAPPING", resourcePath: `users/${userId}/role-mappings/realm` },
    ],
    ["of a client", { resourceType: "CLIENT", resourcePath: "clients/1" }],
    ["of an action", { operationType: "ACTION" }],
    ["that failed", { error: "not allowed" }],
  ])("%s is skipped", (_what, different) => {
    expect(readKeycloakEvent({ ...adminEvent, ...different })).toEqual({ kind: "skip" });
  });

  test("is read from an object named adminEvent", () => {
    expect(readKeycloakEvent({ adminEvent })).toEqual(hint("changed", "evt-2"));
  });
});

describe("user.authenticated", () => {
  test.each([
    ["data", { data: { keycloakId: userId } }],
    ["payload", { payload: { sub: userId } }],
    ["the envelope", { userId, data: {} }],
  ])("is a sign-in of the user that is named in %s", (_where, fields) => {
    const event = { eventId: "evt-1", eventType: "user.authenticated", timestamp: at, ...fields };
    expect(readKeycloakEvent(event)).toEqual(hint("signed-in"));
  });

  test("is the only type of its topic that is not skipped", () => {
    expect(readKeycloakEvent({ eventId: "evt-1", eventType: "user.logged_out", data: {} })).toEqual({
      kind: "skip",
    });
  });
});

describe("a message that is not a valid event", () => {
  const read = (message: unknown) =>
    readMessage("keycloak-events", Buffer.from(JSON.stringify(message)), ["keycloak-events"]);

  test("becomes a dead letter with the reason", () => {
    expect(read([])).toMatchObject({ kind: "dead", message: "The message is no JSON object" });
    expect(read({})).toMatchObject({ kind: "dead", message: "type is missing" });
    expect(read({ ...userEvent, userId: 7 })).toMatchObject({
      kind: "dead",
      message: "userId must be a text",
    });
    expect(readMessage("keycloak-events", Buffer.from("{"), ["keycloak-events"])).toMatchObject({
      code: "INVALID_JSON",
    });
  });

  test("is read without its path if that is not a text", () => {
    expect(readKeycloakEvent({ ...userEvent, resourcePath: { toString: 1 } })).toEqual(
      readKeycloakEvent(userEvent),
    );
  });

  test("makes no error, and each hint that is read has a key and an id that can be stored", () => {
    const anything = fc.anything({ withNullPrototype: true });
    const fields = fc.record(
      {
        type: anything,
        userId: anything,
        id: anything,
        time: anything,
        resourcePath: anything,
        resourceType: anything,
        eventType: anything,
        data: anything,
      },
      { requiredKeys: [] },
    );
    const named = fc.record({
      type: fc.constantFrom("LOGIN", "REGISTER"),
      userId: fc.string(),
      id: fc.string(),
    });
    fc.assert(
      fc.property(fc.oneof(anything, fields, named), (message) => {
        const result = readKeycloakEvent(message);
        if (result.kind !== "hint") return;
        expect(result.hint.key.length).toBeLessThan(512);
        const { keycloakId } = result.hint;
        expect([isStorable(keycloakId), keycloakId.length > 0, keycloakId.length <= 255]).toEqual([
          true,
          true,
          true,
        ]);
      }),
    );
  });
});
