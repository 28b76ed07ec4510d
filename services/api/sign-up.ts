import type { JWTPayload } from "jose";
import type { SignUp } from "../../lib/contract/caller.ts";
import { email } from "../../lib/contract/fields.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { fullNameOf, keycloakId } from "../users/users.contract.ts";
import type { Binding, Request } from "./gateway.types.ts";

/** Creates users from their token, at their first `GET /users/me` (contract 27). */

const check = compileCheck(toParams({ keycloakId, email: email() }));

/** What the user of a token is created from; undefined if the token has no e-mail that a user can have. */
export function signUpOf({ iat = 0, ...claims }: JWTPayload): SignUp | undefined {
  const user = { keycloakId: claims.sub ?? "", email: claims.email as string };
  if (check(user).length > 0) return undefined;
  const fullName = fullNameOf({
    full: claims.name,
    first: claims.given_name,
    last: claims.family_name,
    username: claims.preferred_username,
    email: user.email,
  });
  return { ...user, fullName, issuedAt: Math.max(0, Math.floor(iat)) };
}

/** Whether a request may create the user: no other route does, and no HEAD. */
export const maySignUp = ({ me, action }: Binding, { method }: Pick<Request, "method">): boolean =>
  me !== undefined && action === "users.getByKeycloakId" && method === "GET";
