import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { jwksFetches } from "../../lib/runtime/metrics.ts";

/** In ms. The realm is requested at most once in this time: before the first success, and afterwards (contract 9). */
const ASK_EVERY = { first: 2_000, later: 30_000 };
/**
 * In ms since the last request to the realm: after the first time, keys are loaded again in the background; after the
 * second, before a key is used. A key that the realm revoked is thus refused within 5 minutes, including the 30 s for
 * which token.ts remembers a token.
 */
const ASK_AGAIN = {
  afterSuccess: { inBackground: 180_000, first: 240_000 },
  afterFailure: { inBackground: ASK_EVERY.later, first: 60_000 },
};
const FETCH_TIMEOUT = 3_000;

type KeySet = JWTVerifyGetKey;

/** The keys of a realm. Those that cannot be used change nothing for the others (RFC 7517, 5). */
function usableKeys({ keys }: JSONWebKeySet): KeySet {
  const isObject = (key: unknown) => typeof key === "object" && key !== null && !Array.isArray(key);
  const find = createLocalJWKSet({ keys: keys.filter(isObject) });
  return (header, token) =>
    find(header, token).catch((error) => {
      // the key of the token is malformed: jose reports what the platform throws when it imports the key
      throw error instanceof errors.JOSEError ? error : new errors.JWKSNoMatchingKey();
    });
}

/**
 * The realm's signing keys, kept in memory. An unknown key id reloads them, so that a rotated key is accepted, but at
 * most once in ASK_EVERY, so that a flood of invented ids does not reach the realm. If the realm is unavailable, the
 * old keys stay valid.
 *
 * @param url of the realm's JWKS
 * @param now the clock, in ms
 * @returns rejects with DependencyUnavailable if the keys could never be loaded, otherwise as jose's key sets do
 */
export function realmKeys(url: string, now = () => performance.now()): JWTVerifyGetKey {
  let keys: KeySet | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  let failed = false;

  async function ask(): Promise<void> {
    askedAt = now();
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT) });
      if (!answer.ok) throw new Error(answer.statusText);
      keys = usableKeys((await answer.json()) as JSONWebKeySet);
      failed = false;
    } catch {
      failed = true;
    }
    jwksFetches.inc({ result: failed ? "failed" : "ok" });
  }

  /** Loads the keys, unless they were just requested. Concurrent callers share one request. */
  function refresh(): Promise<void> | undefined {
    const mayAsk = now() - askedAt >= (keys ? ASK_EVERY.later : ASK_EVERY.first);
    if (mayAsk && !asking)
      asking = ask().finally(() => {
        asking = undefined;
      });
    return asking;
  }

  return async (header, token) => {
    if (keys) {
      const idle = now() - askedAt;
      const { inBackground, first } = failed ? ASK_AGAIN.afterFailure : ASK_AGAIN.afterSuccess;
      if (idle >= first) await refresh();
      else if (idle >= inBackground) void refresh();
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      }
    }
    await refresh();
    if (!keys) throw new DependencyUnavailable("identity provider");
    return keys(header, token);
  };
}
