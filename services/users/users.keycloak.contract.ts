import { action } from "../../lib/contract/action.ts";
import { count, described, email, flag, ifVersion, object, optional } from "../../lib/contract/fields.ts";
import { id, keycloakId, profile, User } from "./users.fields.ts";

/** Users who come from Keycloak: by a token, or by what was changed there (contract 27). */

export const keycloakActions = {
  /** For the first `GET /users/me` of a token. */
  signUp: action({
    access: "keycloak-owner",
    visibility: "public",
    logAs: "user_create",
    params: {
      keycloakId,
      email: email(),
      fullName: profile.fullName,
      issuedAt: described("Of the token, in seconds since 1970", count()),
    },
    result: object({ created: flag() }),
    summary: "Create the user of a token, unless there is one",
  }),
  /** For `identities`. */
  follow: action({
    access: "internal",
    visibility: "public",
    logAs: "user_update",
    params: { id, ifVersion, email: optional(email()), fullName: optional(profile.fullName) },
    result: User,
    summary: "Apply the name and the e-mail that a user has in Keycloak",
  }),
};
