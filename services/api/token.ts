import { errors, type JWTPayload, jwtVerify } from "jose";
import type { Caller } from "../shared/caller.ts";
import { config } from "../shared/config.ts";
import { Unauthorized } from "../shared/errors.ts";
import { DEVELOPMENT_ISSUER, developmentKey } from "./development-token.ts";
import { realmKeys } from "./key-set.ts";

const key = config.auth.issuer ? realmKeys(config.auth.jwksUrl) : developmentKey;

/** What a token must be (SPEC 9). Algorithms are pinned: a token does not choose how it is checked. */
const REQUIRED = {
  algorithms: ["RS256", "PS256", "ES256"],
  issuer: config.auth.issuer ?? DEVELOPMENT_ISSUER,
  audience: config.auth.audience,
  requiredClaims: ["sub", "exp"],
  clockTolerance: 5, // seconds
};

/**
 * The user whom a Keycloak access token speaks for.
 * @throws Unauthorized, DependencyUnavailable where the realm's keys could never be loaded
 */
export async function verifyToken(token: string): Promise<NonNullable<Caller["user"]>> {
  const { payload } = await jwtVerify(token, key, REQUIRED).catch((error) => {
    if (error instanceof errors.JWTExpired) throw new Unauthorized("Token expired");
    if (error instanceof errors.JOSEError) throw new Unauthorized("Invalid token");
    throw error;
  });
  return userOf(payload);
}

function userOf({ sub, email, realm_access }: JWTPayload & { realm_access?: { roles?: unknown } }) {
  if (!sub) throw new Unauthorized("Invalid token");
  const roles = realm_access?.roles;
  return {
    sub,
    email: typeof email === "string" ? email : undefined,
    admin: Array.isArray(roles) && roles.includes("admin"),
  };
}
