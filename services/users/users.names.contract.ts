import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { profile } from "./users.fields.ts";

/** The full name that a user gets from Keycloak (contract 27). */

/** What Keycloak has of a person, in a token or in its admin API; nobody has checked it. */
type KeycloakNames = {
  full?: unknown;
  first?: unknown;
  last?: unknown;
  username?: unknown;
  /** A valid one. */
  email: string;
};

const LONGEST = Number(profile.fullName.schema?.maxLength);
const check = compileCheck(toParams({ fullName: profile.fullName }));

/**
 * The first of these that is a full name by the rules of contract 4, cut to its maximum length: the full name, first and
 * last name, the user name, the e-mail.
 */
export function fullNameOf({ full, first, last, username, email }: KeycloakNames): string {
  const both = [first, last].filter((name) => typeof name === "string").join(" ");
  for (const name of [full, both, username, email]) {
    const fullName = toFullName(name);
    if (fullName) return fullName;
  }
  return "User";
}

function toFullName(name: unknown): string | undefined {
  if (typeof name !== "string") return undefined;
  const params = { fullName: [...name.trim()].slice(0, LONGEST).join("") };
  return check(params).length === 0 ? params.fullName : undefined;
}
