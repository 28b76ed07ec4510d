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

  test("has no effect if it is repeated", () => {
    fc.assert(
      fc.property(users, wishes, (user, wish) => {
        const changed = applied(user, rules.updateProfile(user, wish));
        expect(changed).toMatchObject(wish);
        expect(rules.updateProfile(changed, wish)).toBeUndefined();
      }),
    );
  });

  test("keeps omitted fields, and changes nothing if it is empty", () => {
    expect(rules.updateProfile(aUser, { bio: "Hi" })?.set).toEqual({ bio: "Hi" });
    expect(rules.updateProfile(aUser, {})).toBeUndefined();
    expect(rules.updateProfile(aUser)).toBeUndefined();
  });
});

test("PUT of a profile replaces all fields and clears omitted ones", () => {
  fc.assert(
    fc.property(users, texts, wishes, (user, fullName, rest) => {
      const wish = { ...rest, fullName };
      const changed = applied(user, rules.replaceProfile(user, wish));
      expect(changed).toMatchObject({ companyName: null, phone: null, bio: null, ...wish });
      expect(rules.replaceProfile(changed, wish)).toBeUndefined();
    }),
  );
});

test("a change of the e-mail publishes only the e-mail; the same e-mail is no change, but another letter case is", () => {
  expect(rules.changeEmail(aUser, aUser.email)).toBeUndefined();
  expect(changesOf(rules.changeEmail(aUser, "ada@example.com"))).toEqual({ email: "ada@example.com" });
  expect(rules.changeEmail(aUser, "b@example.com")).toEqual({
    set: { email: "b@example.com" },
    event: { eventType: "user.updated", userId: aUser.id, data: { changes: { email: "b@example.com" } } },
  });
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

test("at sign-up the e-mail must equal the e-mail of the token, ignoring case, except for admins and services", () => {
  const token = (email?: string, admin = false) => ({ internal: false, user: { sub: "kc", email, admin } });
  expect(rules.mayCreateWith("Ada@b.co", token("ada@B.co"))).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", token("ada@b.co"))).toBe(false);
  expect(rules.mayCreateWith("eve@b.co", token())).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", token("ada@b.co", true))).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", { internal: true })).toBe(true);
  expect(rules.mayCreateWith("eve@b.co", { ...token("ada@b.co"), internal: true })).toBe(true);
});

test("the e-mails of token and body are compared by the same rule as unique e-mails", () => {
  const token = (email: string) => ({ internal: false, user: { sub: "kc", email, admin: false } });
  // letters with unusual cases or forms: Kelvin sign, dotted and dotless I, sigma, combining dots
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
