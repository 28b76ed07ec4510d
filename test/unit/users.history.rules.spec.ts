import { expect, test } from "@jest/globals";
import { isKnown, shownTo } from "../../services/users/users.history.rules.ts";

test.each([
  ["the current version, without any entry", 7, null, true],
  ["an earlier version, without any entry", 6, null, false],
  ["the version before the oldest entry", 4, 5, true],
  ["a version before that", 3, 5, false],
  ["a version without an entry, because only counters changed", 6, 5, true],
  ["the current version", 7, 5, true],
  ["a later version", 8, 5, false],
  ["no version", null, 5, false],
])(
  "whether the history of a user of version 7 contains %s: version %p, oldest entry %p: %p",
  (_, version, oldest, known) => {
    expect(isKnown(version, oldest, 7)).toBe(known);
  },
);

test("only admins and services see which admin made a change, and for whom a service made it", () => {
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
