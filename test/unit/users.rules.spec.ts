import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { emailKey } from "../../lib/contract/email.ts";
import type { Profile } from "../../services/users/users.contract.ts";
import * as rules from "../../services/users/users.rules.ts";
import { applied, aUser, changesOf, texts, users, wishes } from "../helpers/sample-user.ts";

describe("PATCH of a profile", () => {
  test("sets and publishes only real changes", () => {
    fc.assert(
      fc.property(users, wishes, (user, wish) => {
        const change = rules.updateProfile(user, wish);
        const differs = Object.entries(wish).filter(
          ([field, value]) => user[field as keyof Profile] !== value,
        );
        const expected = Object.fromEntries(differs);
        expect(change?.set ?? {}).toEqual(expected);
        expect(changesOf(change) ?? {}).toEqual(expected);
        expect(change?.event !== undefined).toBe(differs.length > 0);
      }),
    );
  });

  test("has no effect the second time", () => {
    fc.assert(
      fc.property(users, wishes, (user, wish) => {
        const changed = applied(user, rules.updateProfile(user, wish));
        expect(changed).toMatchObject(wish);
        expect(rules.updateProfile(changed, wish)).toBeUndefined();
      }),
    );
  });

  test("keeps omitted fields, and an empty one changes nothing", () => {
    expect(rules.updateProfile(aUser, { bio: "Hi" })?.set).toEqual({ bio: "Hi" });
    expect(rules.updateProfile(aUser, {})).toBeUndefined();
    expect(rules.updateProfile(aUser)).toBeUndefined();
  });
});

test("PUT of a profile replaces all fields: an omitted one is cleared", () => {
  fc.assert(
    fc.property(users, texts, wishes, (user, fullName, rest) => {
      const wish = { ...rest, fullName };
      const changed = applied(user, rules.replaceProfile(user, wish));
      expect(changed).toMatchObject({ companyName: null, phone: null, bio: null, ...wish });
      expect(rules.replaceProfile(changed, wish)).toBeUndefined();
    }),
  );
});

test("a change of e-mail publishes the e-mail only; the same e-mail is no change, but another case is", () => {
  expect(rules.changeEmail(aUser, aUser.email)).toBeUndefined();
  expect(changesOf(rules.changeEmail(aUser, "ada@example.com"))).toEqual({ email: "ada@example.com" });
  expect(rules.changeEmail(aUser, "b@example.com")).toEqual({
    set: { email: "b@example.com" },
    event: { eventType: "user.updated", userId: aUser.id, data: { changes: { email: "b@example.com" } } },
  });
});

test.each([
  ["the current one, if there is no entry", 7, null, true],
  ["an earlier one, if there is no entry", 6, null, false],
  ["the one before the oldest entry", 4, 5, true],
  ["an earlier one than that", 3, 5, false],
  ["one between entries, as counters have versions too", 6, 5, true],
  ["the current one", 7, 5, true],
  ["a later one", 8, 5, false],
  ["none, as no version is old enough", null, 5, false],
])(
  "the history of a user of version 7 leads to %s: version %p, oldest entry %p: %p",
  (_, version, oldest, known) => {
    expect(rules.isKnown(version, oldest, 7)).toBe(known);
  },
);

test("a user does not learn which admin made a change, or for whom a service made it; admins and services do", () => {
  const actors = (["user", "admin", "internal", "keycloak", "event"] as const).map((kind) => ({
    kind,
    id: "x",
  }));
  const owner = { internal: false, user: { sub: "kc-1", admin: false } };
  expect(actors.map(rules.shownTo(owner))).toEqual([
    { kind: "user", id: "x" },
    { kind: "admin" },
    { kind: "internal" },
    { kind: "keycloak", id: "x" },
    { kind: "event", id: "x" },
  ]);
  const admin = { internal: false, user: { sub: "boss", admin: true } };
  for (const caller of [admin, { internal: true }, { ...owner, internal: true }])
    expect(actors.map(rules.shownTo(caller))).toEqual(actors);
});

test("a new user has null for omitted fields, and user.created has the data of contract 7", () => {
  const now = new Date("2025-10-06T10:00:00.000Z");
  const { user, event } = rules.newUser(
    { keycloakId: "kc", email: "a@b.co", profile: { fullName: "Ada" } },
    aUser.id,
    now,
  );
  expect(user).toMatchObject({ id: aUser.id, companyName: null, phone: null, bio: null, createdAt: now });
  expect(event).toEqual({
    eventType: "user.created",
    userId: aUser.id,
    data: { keycloakId: "kc", email: "a@b.co", fullName: "Ada", createdAt: "2025-10-06T10:00:00.000Z" },
  });
});

test("user.deleted has the reason user_request, admin_request, internal_request or identity_deleted, depending on the caller", () => {
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

  test("is possible until the last of 30 days has passed, to the millisecond", () => {
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

  test("of a user that is not deleted changes nothing", () => {
    expect(rules.restore(aUser, 30, now)).toBeUndefined();
  });
});

test("the e-mail at sign-up must equal the one in the token, in any letter case", () => {
  const token = (email?: string, admin = false) => ({ internal: false, user: { sub: "kc", email, admin } });
  expect(rules.mayCreateWith("Ada@b.co", token("ada@B.co"))).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", token("ada@b.co"))).toBe(false);
  expect(rules.mayCreateWith("eve@b.co", token())).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", token("ada@b.co", true))).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", { internal: true })).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", { ...token("ada@b.co"), internal: true })).toBe(true);
});

test("the e-mails of the token and the body are compared by the rule that makes e-mails unique", () => {
  const token = (email: string) => ({ internal: false, user: { sub: "kc", email, admin: false } });
  // letters whose cases and forms are easily mistaken: Kelvin sign, dotted and dotless I, sigma, combining dots
  const email = fc.string({
    unit: fc.constantFrom(..."kK\u212aiI\u0130\u0131sS\u017fσςΣeéÉ\u0301\u0307"),
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(email, email, (a, b) => {
      const same = emailKey(`${a}@b.co`) === emailKey(`${b}@b.co`);
      expect(rules.mayCreateWith(`${a}@b.co`, token(`${b}@b.co`))).toBe(same);
    }),
    { numRuns: 1_000 },
  );
});
