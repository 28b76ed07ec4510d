import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { PreferencesPatch } from "../../services/users/users.contract.ts";
import * as rules from "../../services/users/users.rules.ts";
import { applied, aUser, changesOf, users } from "../helpers/sample-user.ts";

const switches = fc.record(
  { email: fc.boolean(), marketing: fc.boolean(), quotaWarning: fc.boolean() },
  { requiredKeys: [] },
);
const patches: fc.Arbitrary<PreferencesPatch> = fc.record(
  {
    language: fc.constantFrom("en", "de"),
    timezone: fc.constantFrom("UTC", "Asia/Tokyo"),
    notifications: switches,
  },
  { requiredKeys: [] },
);

describe("preferences", () => {
  const DEFAULTS = {
    language: "en",
    timezone: "UTC",
    notifications: {
      email: true,
      interviewInvitation: true,
      interviewReminder: true,
      analysisReady: true,
      quotaWarning: true,
      marketing: false,
    },
  };
  test("are the defaults of contract 2 until they are set", () => {
    expect(rules.preferencesOf(aUser)).toEqual(DEFAULTS);
  });

  test("merge deeply: a patch changes the fields that it names and keeps the others", () => {
    fc.assert(
      fc.property(fc.array(patches, { maxLength: 5 }), (wishes) => {
        const user = wishes.reduce((row, wish) => applied(row, rules.updatePreferences(row, wish)), aUser);
        const expected = structuredClone(DEFAULTS);
        for (const { notifications, ...rest } of wishes) {
          Object.assign(expected, rest);
          Object.assign(expected.notifications, notifications);
        }
        expect(rules.preferencesOf(user)).toEqual(expected);
      }),
    );
  });

  test("publish only changed fields, and nothing if the same patch is repeated", () => {
    fc.assert(
      fc.property(patches, patches, (first, wish) => {
        const user = applied(aUser, rules.updatePreferences(aUser, first));
        const change = rules.updatePreferences(user, wish);
        const changed = applied(user, change);
        expect(rules.updatePreferences(changed, wish)).toBeUndefined();
        const before = rules.preferencesOf(user);
        const { notifications = {}, ...published } = (changesOf(change) ?? {}) as PreferencesPatch;
        for (const [field, value] of Object.entries(published))
          expect(before[field as "language"]).not.toBe(value);
        for (const [name, value] of Object.entries(notifications))
          expect(before.notifications[name as "email"]).not.toBe(value);
        if (change === undefined) expect(rules.preferencesOf(changed)).toEqual(before);
      }),
    );
  });

  test("publish only the changed switch of the notifications", () => {
    const change = rules.updatePreferences(aUser, { notifications: { email: false, marketing: false } });
    expect(change?.event).toEqual({
      eventType: "user.preferences_updated",
      userId: aUser.id,
      data: { changes: { notifications: { email: false } } },
    });
  });
});

describe("a revert", () => {
  const people = fc.record({ user: users, preferences: patches }).map(({ user, preferences }) => ({
    ...user,
    preferences,
  }));

  test("restores profile and preferences, publishes the changed fields, and has no effect if it is repeated", () => {
    fc.assert(
      fc.property(people, people, (user, then) => {
        const change = rules.revert(user, { ...then, preferences: rules.preferencesOf(then) });
        const changed = applied(user, change);
        expect(rules.preferencesOf(changed)).toEqual(rules.preferencesOf(then));
        expect(changed).toMatchObject({ fullName: then.fullName, bio: then.bio, phone: then.phone });
        expect(change?.event?.eventType).toBe(change && "user.updated");
        const { preferences, ...profile } = (changesOf(change) ?? {}) as { preferences?: PreferencesPatch };
        expect(applied(user, rules.updateProfile(user, profile))).toMatchObject(profile);
        if (!preferences) expect(rules.preferencesOf(user)).toEqual(rules.preferencesOf(then));
        expect(rules.revert(changed, { ...then, preferences: rules.preferencesOf(then) })).toBeUndefined();
      }),
    );
  });

  test("does not change the e-mail, the avatar and the quotas", () => {
    const then = { ...aUser, email: "old@example.com", avatarUrl: "http://old", maxInterviews: 3 };
    expect(rules.revert(aUser, then)).toBeUndefined();
    expect(rules.revert({ ...aUser, bio: "new" }, then)?.set).toEqual({ bio: null });
  });
});
