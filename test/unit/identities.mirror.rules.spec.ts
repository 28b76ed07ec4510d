import { describe, expect, test } from "@jest/globals";
import { type Person, personOf } from "../../lib/keycloak/person.ts";
import {
  differencesIn,
  mayDelete,
  newUserFor,
  nextNight,
  seenAfter,
  seenOf,
  stepsFor,
  tryAgainIn,
  withApplied,
} from "../../services/identities/identities.mirror.rules.ts";
import { aUser } from "../helpers/sample-user.ts";

/** Contract 27: which changes of Keycloak are applied to a user. */

const person = (different: Partial<Person> = {}): Person => ({
  id: "kc-1",
  username: "ada",
  email: "ada@example.com",
  emailVerified: true,
  firstName: "Ada",
  lastName: "Lovelace",
  enabled: true,
  isService: false,
  ...different,
});
const user = { ...aUser, email: "ada@example.com", fullName: "Ada Lovelace", status: "active" as const };
const seen = seenOf(person());

describe("The name", () => {
  test("is applied if Keycloak changed it since the last comparison", () => {
    expect(stepsFor(person({ lastName: "King" }), user, seen)).toEqual({ fullName: "Ada King", refused: [] });
  });

  test("is kept if only the user changed it", () => {
    expect(stepsFor(person(), { ...user, fullName: "Countess" }, seen)).toEqual({ refused: [] });
  });

  test("is kept at the first comparison", () => {
    expect(stepsFor(person({ lastName: "King" }), user, undefined)).toEqual({ refused: [] });
  });

  test("is kept if Keycloak has no name any more", () => {
    expect(stepsFor(person({ firstName: null, lastName: null }), user, seen)).toEqual({ refused: [] });
  });

  test("is kept as the user edited it after Keycloak's change, although that change was not noted", () => {
    const now = person({ lastName: "King" });
    const mine = { ...user, fullName: "Countess" };
    expect(stepsFor(now, mine, seen)).toMatchObject({ fullName: "Ada King" });
    expect(stepsFor(now, mine, withApplied(seen, { fullName: "Ada King" }))).toEqual({ refused: [] });
    expect(withApplied(seen, { status: "suspended" })).toEqual({ ...seen, enabled: false });
    expect(withApplied(seen, {})).toEqual(seen);
  });

  test("is a difference if our contract refuses it, until Keycloak changes it", () => {
    const long = person({ firstName: "x".repeat(100) });
    const steps = stepsFor(long, user, seen);
    expect(steps).toEqual({ refused: ["name"] });
    const later = seenAfter(long, steps, seen);
    expect(differencesIn(stepsFor(long, user, later))).toEqual(["name"]);
    expect(stepsFor(person(), user, later)).toEqual({ refused: [] });
  });
});

describe("The e-mail", () => {
  test("is always taken over from Keycloak, also at the first comparison", () => {
    expect(stepsFor(person({ email: "new@example.com" }), user, undefined)).toEqual({
      email: "new@example.com",
      refused: [],
    });
  });

  test("is kept if it differs only in letter case", () => {
    expect(stepsFor(person({ email: "ADA@example.com" }), user, seen)).toEqual({ refused: [] });
  });

  test.each([[null], ["no e-mail"]])("is a difference if Keycloak has %s", (email) => {
    expect(stepsFor(person({ email }), user, seen)).toEqual({ refused: ["email"] });
  });
});

describe("The status:", () => {
  const suspended = { ...user, status: "suspended" as const };
  test.each([
    ["a disabled account suspends", false, user, { ...seen, enabled: true }, "suspended"],
    ["a disabled account suspends at the first comparison", false, user, undefined, "suspended"],
    ["an enabled account activates", true, suspended, { ...seen, enabled: false }, "active"],
    ["a user whom we suspended stays suspended", true, suspended, { ...seen, enabled: true }, undefined],
    [
      "a user whom we suspended stays suspended at the first comparison",
      true,
      suspended,
      undefined,
      undefined,
    ],
    ["a user whom we activated stays active", false, user, { ...seen, enabled: false }, undefined],
    [
      "a user who is already suspended stays suspended",
      false,
      suspended,
      { ...seen, enabled: true },
      undefined,
    ],
  ] as const)("%s", (_what, enabled, row, before, status) => {
    expect(stepsFor(person({ enabled }), row, before).status).toBe(status);
  });
});

test("A new user has the person's name or user name; without a valid e-mail no user is created", () => {
  expect(newUserFor(person())).toMatchObject({ keycloakId: "kc-1", profile: { fullName: "Ada Lovelace" } });
  expect(newUserFor(person({ firstName: null, lastName: null }))).toMatchObject({
    profile: { fullName: "ada" },
  });
  expect(newUserFor(person({ email: null }))).toBeUndefined();
  expect(newUserFor(person({ email: "none" }))).toBeUndefined();
});

test("One sweep may delete 10 users, or 1 % of them", () => {
  expect([0, 999, 1_000, 1_100, 10_000].map(mayDelete)).toEqual([10, 10, 10, 11, 100]);
});

test("The full sweep is due at the next 03:00 UTC", () => {
  expect(nextNight(new Date("2026-01-31T02:59:59Z")).toISOString()).toBe("2026-01-31T03:00:00.000Z");
  expect(nextNight(new Date("2026-01-31T03:00:00Z")).toISOString()).toBe("2026-02-01T03:00:00.000Z");
});

test("A conflict that another change can resolve is retried within 10 s, a value that our contract refuses after an hour", () => {
  expect([0, 1, 5, 1_000].map((attempts) => tryAgainIn(true, attempts))).toEqual([
    2_000, 4_000, 10_000, 10_000,
  ]);
  expect(tryAgainIn(false, 0)).toBe(3_600_000);
});

test("A Keycloak user is read with its non-empty texts, and is ignored without an id or an enabled state", () => {
  expect(personOf({ id: "1", username: " ada ", firstName: "", enabled: true })).toEqual({
    ...{ id: "1", username: "ada", email: null, emailVerified: false, firstName: null, lastName: null },
    ...{ enabled: true, isService: false },
  });
  expect(personOf({ id: "1", enabled: true, serviceAccountClientId: "c" })?.isService).toBe(true);
  for (const value of [null, "text", {}, { id: "" }, { id: "1" }, { id: 1, enabled: true }])
    expect(personOf(value)).toBeUndefined();
});
