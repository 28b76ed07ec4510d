import { DependencyUnavailable } from "../lib/contract/errors.ts";
import { STATEMENT_TIMEOUT } from "./session.ts";

/** The end of the last work on each user, which runs or waits for its turn. */
const last = new Map<string, Promise<unknown>>();

/**
 * Runs work that locks a user's row, after the earlier work of this node on the same user. So a row that somebody else
 * keeps locked occupies one connection of the pool, and not all of them.
 *
 * @throws DependencyUnavailable if its turn comes later than a statement may take; what `work` throws
 */
export function inTurn<Result>(userId: string, work: () => Promise<Result>): Promise<Result> {
  const asked = performance.now();
  const before = last.get(userId) ?? Promise.resolve();
  const result = before.then(() => {
    if (performance.now() - asked > STATEMENT_TIMEOUT) throw new DependencyUnavailable("database");
    return work();
  });
  const end = result
    .catch(() => {})
    .finally(() => {
      if (last.get(userId) === end) last.delete(userId);
    });
  last.set(userId, end);
  return result;
}
