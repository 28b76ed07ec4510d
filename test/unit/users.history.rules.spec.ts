import { expect, test } from "@jest/globals";
import { isKnown, shownTo } from "../../services/users/users.history.rules.ts";

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
    expect(isKnown(version, oldest, 7)).toBe(known);
  },
);

test("a user does not learn which admin made a change, or for whom a service made it; admins and services do", () => {
  const actors = (["user", "admin", "internal", "keycloak", "event"] as const).map((kind) => ({
    kind,
    id: "x",
  }));
  const owner = { internal: false, user: { sub: "kc-1", admin: false } };
  expect(actors.map(shownTo(owner))).toEqual([
    { kind: "user", id: "x" },
    { kind: "admin" },
    { kind: "internal" },
    { kind: "keycloak", id: "x" },
    { kind: "event", id: "x" },
  ]);
  const admin = { internal: false, user: { sub: "boss", admin: true } };
  for (const caller of [admin, { internal: true }, { ...owner, internal: true }])
    expect(actors.map(shownTo(caller))).toEqual(actors);
});
