import { errors } from "jose";
import { DependencyUnavailable, Unauthorized } from "../../lib/contract/errors.ts";

/**
 * Why a token is refused, to help an honest client. A reason names the check and never a value. It does not say what is
 * wrong with a signature or a key, because only an attacker would need that.
 */
const REASONS: Record<string, string> = {
  aud: "its audience (aud) is not this service",
  iss: "its issuer (iss) is not the realm of this service",
  nbf: "it is not valid yet (nbf)",
};

/** The answer to a refused token. `reason` completes "The token is refused: …". */
export const invalidToken = (reason: string, message = "Invalid token"): Unauthorized =>
  new Unauthorized(message, { invalidToken: `The token is refused: ${reason}` });

/** The answer to what jose throws. DependencyUnavailable stays as it is. */
export function toRefusal(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return invalidToken("it expired (exp)", "Token expired");
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalidToken(REASONS[error.claim] ?? `its claim ${error.claim} is missing or not valid`);
  if (error instanceof errors.JOSEError)
    return invalidToken("it is malformed, or not signed with a key of the realm");
  if (error instanceof DependencyUnavailable) return error;
  return invalidToken("the realm's key for it cannot be used"); // a TypeError: an RSA key below 2048 bits, for example
}
