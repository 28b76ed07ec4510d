import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Caller } from "../../lib/contract/caller.ts";
import { Unauthorized } from "../../lib/contract/errors.ts";
import { config } from "../../lib/runtime/config.ts";
import { verifyToken } from "./token.ts";

/**
 * Who sends these headers (SPEC 9): a service by `x-internal-token`, a user by a Bearer token, both, or nobody.
 * @throws Unauthorized for a token that is wrong, whatever else was sent; DependencyUnavailable
 */
export async function authenticate(headers: IncomingHttpHeaders): Promise<Caller> {
  const internalToken = headers["x-internal-token"];
  if (internalToken !== undefined && !isInternalToken(String(internalToken)))
    throw new Unauthorized("Invalid internal token");
  const internal = internalToken !== undefined;

  const { authorization } = headers;
  if (authorization === undefined) return { internal };
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
  if (!token) throw new Unauthorized("Authorization must be a Bearer token");
  return { internal, user: await verifyToken(token) };
}

/** In constant time, and whatever the lengths: what is compared are digests. */
const isInternalToken = (token: string): boolean =>
  config.auth.internalToken !== undefined &&
  timingSafeEqual(digest(token), digest(config.auth.internalToken));

const digest = (text: string) => createHash("sha256").update(text).digest();
