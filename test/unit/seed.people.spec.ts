import { expect, test } from "@jest/globals";
import { people } from "../../cli/seed/people.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { actions } from "../../services/users/users.contract.ts";

const some = (count: number, seed = 1) => Array.from({ length: count }, people(seed));

test("the same seed generates the same people, another seed others", () => {
  expect(some(50)).toEqual(some(50));
  expect(some(1, 2)).not.toEqual(some(1));
});

test("no two people share an id, a keycloakId or an e-mail", () => {
  const all = some(5_000);
  for (const key of ["id", "keycloakId", "email"] as const)
    expect(new Set(all.map((person) => person[key])).size).toBe(5_000);
});

test("the service's validation accepts all people without normalizing anything", () => {
  const check = compileCheck(toParams(actions.create.params));
  const updatePreferences = compileCheck(toParams(actions.updatePreferences.params));
  for (const { id, keycloakId, email, fullName, companyName, phone, bio, preferences } of some(1_000)) {
    const params = { keycloakId, email, profile: { fullName, companyName, phone, bio } };
    const asGiven = structuredClone(params);
    expect(check(params)).toEqual([]);
    expect(params).toEqual(asGiven);
    expect(updatePreferences({ id, ...structuredClone(preferences) })).toEqual([]);
  }
});

test("the people are diverse and consistent: only some have a company, a phone or use, and no use exceeds its limit", () => {
  const all = some(1_000);
  for (const has of ["companyName", "phone", "bio", "interviewsCreated", "storageUsed"] as const) {
    const share = all.filter((person) => person[has]).length / all.length;
    expect([has, share > 0.2 && share < 0.95]).toEqual([has, true]);
  }
  for (const person of all) {
    expect(person.interviewsActive).toBeLessThanOrEqual(person.interviewsCreated);
    expect(person.storageUsed).toBeLessThanOrEqual(person.maxStorage ?? 0);
    expect(person.updatedAt.getTime()).toBeGreaterThanOrEqual(person.createdAt.getTime());
  }
});
