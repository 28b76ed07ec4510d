import { hash } from "node:crypto";
import { type JWTHeaderParameters, type JWTPayload, jwtVerify } from "jose";
import { LRUCache } from "lru-cache";
import { config } from "../../lib/config/config.ts";
import type { Caller, SignUp } from "../../lib/contract/caller.ts";
import { DEVELOPMENT_ISSUER, developmentKey } from "./development-token.ts";
import { realmKeys } from "./key-set.ts";
import { invalidToken, toRefusal } from "./refusal.ts";
import { signUpOf } from "./sign-up.ts";

type TokenUser = NonNullable<Caller["user"]>;

/** A valid token: its user, and with USERS_AUTO_CREATE what the user can be created from. */
type Token = { user: TokenUser; signUp?: SignUp };

const key = config.auth.issuer ? realmKeys(config.auth.jwksUrl) : developmentKey;

const LEEWAY = 5; // seconds

/** The requirements of a token (contract 9). The token does not choose the algorithm that verifies it. */
const REQUIRED = {
  algorithms: ["RS256", "PS256", "ES256"],
  issuer: config.auth.issuer ?? DEVELOPMENT_ISSUER,
  audience: config.auth.audiences,
  requiredClaims: ["sub", "exp"],
  clockTolerance: LEEWAY,
};

/**
 * In ms. A valid token is not verified again for this time, because a client sends the same token with each request.
 */
const REMEMBER = 30_000;
const good = new LRUCache<string, Token>({ max: 10_000 });

/**
 * Verifies a Keycloak access token.
 * @throws Unauthorized with the reason; DependencyUnavailable if the realm's keys could never be loaded
 */
export async function verifyToken(token: string): Promise<Token> {
  const digest = hash("sha256", token, "base64");
  const known = good.get(digest);
  if (known) return known;
  const { payload, protectedHeader } = await jwtVerify(token, key, REQUIRED).catch((error) => {
    throw toRefusal(error);
  });
  if (!isAccessToken(payload, protectedHeader)) throw invalidToken("it is not an access token (typ)");
  const user = toTokenUser(payload);
  const verified = config.usersAutoCreate ? { user, signUp: signUpOf(payload) } : { user };
  good.set(digest, verified, { ttl: Math.min(REMEMBER, timeLeft(payload)) });
  return verified;
}

/**
 * The realm signs ID, refresh and logout tokens with the same keys. `at+jwt` is RFC 9068; Keycloak's claim is `Bearer`.
 */
const isAccessToken = ({ typ }: JWTPayload, header: JWTHeaderParameters): boolean =>
  typ === "Bearer" || (typ === undefined && /^(application\/)?at\+jwt$/i.test(header.typ ?? ""));

/** The time until the token expires, including leeway; in ms, at least 1. */
const timeLeft = ({ exp = 0 }: JWTPayload): number => Math.max(1, (exp + LEEWAY) * 1000 - Date.now());

function toTokenUser({
  sub,
  email,
  realm_access,
}: JWTPayload & { realm_access?: { roles?: unknown } }): TokenUser {
  if (!sub) throw invalidToken("the claim sub is empty");
  const roles = realm_access?.roles;
  return {
    sub,
    email: typeof email === "string" ? email : undefined,
    admin: Array.isArray(roles) && roles.includes("admin"),
  };
}
