import { hash } from "node:crypto";
import { errors, type JWTPayload, jwtVerify } from "jose";
import { LRUCache } from "lru-cache";
import type { Caller } from "../../lib/contract/caller.ts";
import { Unauthorized } from "../../lib/contract/errors.ts";
import { config } from "../../lib/runtime/config.ts";
import { DEVELOPMENT_ISSUER, developmentKey } from "./development-token.ts";
import { realmKeys } from "./key-set.ts";

type TokenUser = NonNullable<Caller["user"]>;

const key = config.auth.issuer ? realmKeys(config.auth.jwksUrl) : developmentKey;

const LEEWAY = 5; // seconds

/** What a token must be (SPEC 9). Algorithms are pinned: a token does not choose how it is checked. */
const REQUIRED = {
  algorithms: ["RS256", "PS256", "ES256"],
  issuer: config.auth.issuer ?? DEVELOPMENT_ISSUER,
  audience: config.auth.audience,
  requiredClaims: ["sub", "exp"],
  clockTolerance: LEEWAY,
};

/** A client sends the same token again and again: one that was good is remembered for so long, in ms. */
const REMEMBER = 30_000;
const good = new LRUCache<string, TokenUser>({ max: 10_000 });

/**
 * The user whom a Keycloak access token speaks for.
 * @throws Unauthorized, DependencyUnavailable where the realm's keys could never be loaded
 */
export async function verifyToken(token: string): Promise<TokenUser> {
  const digest = hash("sha256", token, "base64");
  const known = good.get(digest);
  if (known) return known;
  const { payload } = await jwtVerify(token, key, REQUIRED).catch((error) => {
    if (error instanceof errors.JWTExpired) throw new Unauthorized("Token expired");
    if (error instanceof errors.JOSEError) throw new Unauthorized("Invalid token");
    throw error;
  });
  const user = userOf(payload);
  good.set(digest, user, { ttl: Math.min(REMEMBER, timeLeft(payload)) });
  return user;
}

/** Until the token expires, leeway included; in ms, at least 1. */
const timeLeft = ({ exp = 0 }: JWTPayload): number => Math.max(1, (exp + LEEWAY) * 1000 - Date.now());

function userOf({
  sub,
  email,
  realm_access,
}: JWTPayload & { realm_access?: { roles?: unknown } }): TokenUser {
  if (!sub) throw new Unauthorized("Invalid token");
  const roles = realm_access?.roles;
  return {
    sub,
    email: typeof email === "string" ? email : undefined,
    admin: Array.isArray(roles) && roles.includes("admin"),
  };
}
