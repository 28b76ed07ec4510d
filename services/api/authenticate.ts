import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Service } from "moleculer";
import { config } from "../../lib/config/config.ts";
import type { Caller, SignUp } from "../../lib/contract/caller.ts";
import { Unauthorized } from "../../lib/contract/errors.ts";
import { logRefusal } from "./refusal-log.ts";
import { verifyToken } from "./token.ts";

/** `signUp`: what the caller's user can be created from. */
type Authenticated = { caller: Caller; signUp?: SignUp };

/**
 * The caller of a request, by its headers (contract 9): a service by `x-internal-token`, a user by a Bearer token,
 * both, or anonymous. `logger` logs why a token is refused.
 * @throws Unauthorized for a wrong token, whatever else was sent; DependencyUnavailable
 */
export async function authenticate(
  headers: IncomingHttpHeaders,
  logger: Pick<Service["logger"], "warn">,
): Promise<Authenticated> {
  const internalToken = headers["x-internal-token"];
  if (internalToken !== undefined && !isInternalToken(String(internalToken)))
    throw new Unauthorized("Invalid internal token");
  const internal = internalToken !== undefined;

  const { authorization } = headers;
  if (authorization === undefined) return { caller: { internal } };
  const token = tokenOf(authorization);
  if (!token) throw new Unauthorized("Authorization must be a Bearer token");
  try {
    const { user, signUp } = await verifyToken(token);
    return { caller: { internal, user }, signUp };
  } catch (error) {
    logRefusal(logger, error as Error);
    throw error;
  }
}

/**
 * The caller of a route that needs no token. A valid one names its user, because a suspended user is refused there too
 * (contract 27); any other is ignored.
 */
export async function identify({ authorization = "" }: IncomingHttpHeaders): Promise<Authenticated> {
  const token = tokenOf(authorization);
  const verified = token ? await verifyToken(token).catch(() => undefined) : undefined;
  return { caller: { internal: false, user: verified?.user } };
}

const tokenOf = (authorization: string): string | undefined => /^Bearer +(\S+)$/i.exec(authorization)?.[1];

const digest = (text: string) => createHash("sha256").update(text).digest();

const { internalToken } = config.auth;
const EXPECTED = internalToken === undefined ? undefined : digest(internalToken);

/** Compares digests, so that it takes constant time for any length. */
const isInternalToken = (token: string): boolean =>
  EXPECTED !== undefined && timingSafeEqual(digest(token), EXPECTED);
