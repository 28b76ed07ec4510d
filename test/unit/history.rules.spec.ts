import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { actorOf, asItWas, changesBetween } from "../../models/history.rules.ts";
import { User, type UserRow } from "../../models/user.ts";
import { preferencesOf } from "../../services/users/users.rules.ts";

const texts = fc.option(fc.constantFrom("a", "b"), { nil: null });
const numbers = fc.option(fc.nat({ max: 2 }), { nil: null });
const times = fc.constantFrom(new Date(1), new Date(2));
const rows = fc.record({
  id: fc.constant("3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
  keycloakId: fc.constantFrom("kc-1", "kc-2"),
  email: fc.constantFrom("a@b.co", "b@b.co"),
  fullName: fc.constantFrom("Ada", "Bob"),
  companyName: texts,
  phone: texts,
  bio: texts,
  preferences: fc.record(
    {
      language: fc.constantFrom("en", "de"),
      notifications: fc.record({ marketing: fc.boolean(), email: fc.boolean() }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  ),
  avatarUrl: texts,
  avatarKey: texts,
  avatarSize: fc.nat({ max: 2 }),
  interviewsCreated: fc.nat({ max: 2 }),
  interviewsActive: fc.nat({ max: 2 }),
  candidatesTotal: fc.nat({ max: 2 }),
  storageUsed: fc.nat({ max: 2 }),
  maxInterviews: numbers,
  maxStorage: numbers,
  status: fc.constantFrom("active", "suspended"),
  statusReason: texts,
  createdAt: times,
  updatedAt: times,
  deletedAt: fc.option(times, { nil: null }),
  version: fc.nat({ max: 2 }),
}) satisfies fc.Arbitrary<UserRow>;

/** Columns that may change without an entry in the history. */
const UNRECORDED = [
  ...["id", "createdAt", "updatedAt", "version", "avatarKey", "avatarSize"],
  ...["interviewsCreated", "interviewsActive", "candidatesTotal", "storageUsed"],
];

const withoutUnrecorded = (row: UserRow) =>
  Object.fromEntries(
    Object.entries({ ...row, preferences: preferencesOf(row), deletedAt: undefined }).filter(
      ([name]) => !UNRECORDED.includes(name),
    ),
  );
const undone = (changes: ReturnType<typeof changesBetween>) =>
  Object.fromEntries(Object.entries(changes).map(([field, { from }]) => [field, from]));

test("every column of a user is recorded, except the counters and columns that are derived from others", () => {
  const row = Object.fromEntries(Object.keys(User.getAttributes()).map((name) => [name, "x"]));
  const recorded = Object.keys(changesBetween({}, { ...row, preferences: { language: "de" } }));
  const columns = Object.keys(row).filter((name) => !UNRECORDED.includes(name));
  expect(recorded.map((field) => field.split(".")[0]).sort()).toEqual(columns.sort());
});

test("undoing the recorded changes on the new row restores the old row", () => {
  fc.assert(
    fc.property(rows, rows, (before, after) => {
      const then = asItWas(after, undone(changesBetween(before, after)));
      expect(withoutUnrecorded(then)).toEqual(withoutUnrecorded(before));
    }),
  );
});

test("only fields that differ are recorded, with both values", () => {
  fc.assert(
    fc.property(rows, rows, (before, after) => {
      for (const { from, to } of Object.values(changesBetween(before, after))) expect(from).not.toEqual(to);
      expect(changesBetween(before, before)).toEqual({});
      const copy = { ...before, deletedAt: before.deletedAt && new Date(before.deletedAt) };
      expect(changesBetween(before, copy)).toEqual({});
    }),
  );
});

test("each preference is a separate field, whose value is the default until it is set", () => {
  const row = { preferences: {} };
  const changed = { preferences: { language: "de", notifications: { marketing: true, email: true } } };
  expect(changesBetween(row, changed)).toEqual({
    "preferences.language": { from: "en", to: "de" },
    "preferences.notifications.marketing": { from: false, to: true },
  });
});

test("a creation records the values of the new user, without nulls and default preferences", () => {
  const user = { email: "a@b.co", phone: null, preferences: {}, maxInterviews: 0, deletedAt: null };
  expect(changesBetween({}, user)).toEqual({
    email: { from: null, to: "a@b.co" },
    maxInterviews: { from: null, to: 0 },
  });
});

test("asItWas does not modify the row that it is given", () => {
  const row = { preferences: { notifications: { marketing: true } }, bio: "new" } as UserRow;
  const before = structuredClone(row);
  asItWas(row, { "preferences.notifications.marketing": false, bio: "old" });
  expect(row).toEqual(before);
});

test("the actor is the user, also if the user is an admin, or another admin, a service or Keycloak, with the sub of the token", () => {
  const user = { sub: "kc-1", admin: false };
  const admin = { sub: "boss", admin: true };
  expect(actorOf({ internal: false, user }, "kc-1")).toEqual({ kind: "user", id: "kc-1" });
  expect(actorOf({ internal: false, user: admin }, "boss")).toEqual({ kind: "user", id: "boss" });
  expect(actorOf({ internal: false, user: admin }, "kc-1")).toEqual({ kind: "admin", id: "boss" });
  expect(actorOf({ internal: true, user: admin }, "kc-1")).toEqual({ kind: "internal", id: "boss" });
  expect(actorOf({ internal: true }, "kc-1")).toEqual({ kind: "internal", id: undefined });
  expect(actorOf({ internal: true, keycloak: {} }, "kc-1")).toEqual({ kind: "keycloak", id: undefined });
});
