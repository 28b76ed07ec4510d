import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { jwksFetches } from "../../lib/runtime/metrics.ts";

/** How often the realm is asked at most, in ms: until the first success, and from then on (SPEC 9). */
const ASK_EVERY = { first: 2_000, later: 30_000 };
/** A key that the realm took back is refused this long after, in ms. */
const REFRESH_AFTER = 300_000;
const FETCH_TIMEOUT = 3_000;

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * The realm's signing keys, kept in memory. A key id that is not known asks the realm again, so that a rotated key is
 * taken, but not more often than ASK_EVERY, so that a flood of made-up ids is not passed on.
 * Rejects with DependencyUnavailable where the keys could never be loaded, and as jose's key sets do.
 */
export function realmKeys(url: string, now = () => performance.now()): JWTVerifyGetKey {
  let keys: KeySet | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    askedAt = now();
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT) });
      if (!answer.ok) throw new Error(answer.statusText);
      keys = createLocalJWKSet((await answer.json()) as JSONWebKeySet);
      jwksFetches.inc({ result: "ok" });
    } catch {
      jwksFetches.inc({ result: "failed" });
      // the old keys stay good; where there are none, the caller is told
    }
  }

  /** Asks the realm, unless it was asked just now; callers meanwhile wait for the same answer. */
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
      if (now() - askedAt > REFRESH_AFTER) void refresh();
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
