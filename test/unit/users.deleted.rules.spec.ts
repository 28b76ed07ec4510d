import { describe, expect, test } from "@jest/globals";
import * as rules from "../../services/users/users.deleted.rules.ts";
import { aUser } from "../helpers/sample-user.ts";

test("the reason in user.deleted depends on the caller: user_request, admin_request, internal_request or identity_deleted", () => {
  const user = { sub: "kc-1", admin: false };
  expect(rules.removalReason({ internal: false, user }, "kc-1")).toBe("user_request");
  expect(rules.removalReason({ internal: false, user: { sub: "boss", admin: true } }, "kc-1")).toBe(
    "admin_request",
  );
  expect(rules.removalReason({ internal: false, user: { ...user, admin: true } }, "kc-1")).toBe(
    "user_request",
  );
  expect(rules.removalReason({ internal: true }, "kc-1")).toBe("internal_request");
  expect(rules.removalReason({ internal: true, keycloak: {} }, "kc-1")).toBe("identity_deleted");
});

describe("a restore", () => {
  const now = new Date("2026-03-31T00:00:00.000Z");
  const deletedAt = (time: string) => ({ ...aUser, deletedAt: new Date(time) });

  test("is possible up to exactly 30 days after the deletion, and refused a millisecond later", () => {
    const inTime = deletedAt("2026-03-01T00:00:00.000Z");
    expect(rules.restore(inTime, 30, now)?.set).toMatchObject({ deletedAt: null });
    const late = deletedAt("2026-02-28T23:59:59.999Z");
    expect(() => rules.restore(late, 30, now)).toThrow("was deleted more than 30 days ago");
  });

  test("removes the avatar from the row and its size from the storage", () => {
    const user = { ...deletedAt("2026-03-30T00:00:00.000Z"), avatarKey: "k", avatarSize: 7, storageUsed: 10 };
    expect(rules.restore(user, 30, now)).toEqual({
      set: { deletedAt: null, avatarUrl: null, avatarKey: null, avatarSize: 0 },
      add: { storageUsed: -7 },
      event: { eventType: "user.restored", userId: user.id, data: { restoredAt: now.toISOString() } },
    });
  });

  test("of a user who is not deleted changes nothing", () => {
    expect(rules.restore(aUser, 30, now)).toBeUndefined();
  });
});
