import pLimit from "p-limit";
import { config } from "../../lib/config/config.ts";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";

/**
 * Limits the searches of a node, which are by far its most expensive queries. They use at most a fifth of the pool's
 * connections. A trigram index finds terms of three characters or more. Shorter terms scan the table, so these run one
 * at a time. A limited number of searches wait for a short time; all others are refused.
 */

/** A trigram index cannot find shorter terms. */
const INDEXED_FROM = 3;
const WAITING_MAX = 20;
/** In ms. */
const WAIT_MAX = 1_500;

/** @param patience the maximum time that a search waits for its turn, in ms */
export function searchLimiter(atOnce: number, patience = WAIT_MAX) {
  const limits = { indexed: pLimit(atOnce), short: pLimit(1) };

  /**
   * Runs a search when it is its turn.
   * @throws DependencyUnavailable if too many wait, or the wait was too long
   */
  return async function limited<Result>(term: string, search: () => Promise<Result>): Promise<Result> {
    const limit = [...term].length < INDEXED_FROM ? limits.short : limits.indexed;
    if (limit.pendingCount >= WAITING_MAX) throw tooMany();
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    let waiting = true;
    const impatience = setTimeout(() => {
      waiting = false;
      reject(tooMany());
    }, patience);
    limit(async () => {
      clearTimeout(impatience);
      if (waiting) await search().then(resolve, reject);
    });
    return promise;
  };
}

const tooMany = () => new DependencyUnavailable("search", "Too many searches at once: try again later");

export const limitSearch = searchLimiter(Math.max(1, Math.floor(config.database.poolMax / 5)));
