import { query } from "../../models/database.ts";

/** When Keycloak is swept, by one node at a time (contract 27). */

/** `events` reads what Keycloak reported since the last sweep; `full` compares everybody. */
export type SweepKind = "events" | "full";

const CLAIM = {
  name: "claim-sweep",
  text: `
    UPDATE identity_sweeps SET claimed_until = now() + $2 * interval '1 ms'
    WHERE kind = $1 AND (claimed_until <= now()) IS NOT FALSE
      AND (next_at <= now() OR next_at > now() + $3 * interval '1 ms')
    RETURNING read_until AS "readUntil"`,
};

/**
 * Claims a sweep that is due. No other node claims it within `leaseMs`; after that another one does, in case this node
 * dies.
 * @param everyMs the longest time between two sweeps: one that is due later was planned with another configuration
 * @returns undefined if it is not due, or another node does it; `readUntil` is the time of the newest event that was
 *   read, by Keycloak's clock
 * @throws DependencyUnavailable
 */
export async function claimSweep(
  kind: SweepKind,
  leaseMs: number,
  everyMs: number,
): Promise<{ readUntil: Date | null } | undefined> {
  const [claimed] = await query<{ readUntil: Date | null }>(CLAIM, [kind, leaseMs, everyMs]);
  return claimed;
}

const RENEW = {
  name: "renew-sweep",
  text: "UPDATE identity_sweeps SET claimed_until = now() + $2 * interval '1 ms' WHERE kind = $1",
};

/** Keeps a claimed sweep for `leaseMs` from now on. @throws DependencyUnavailable */
export const renewSweep = (kind: SweepKind, leaseMs: number) => query(RENEW, [kind, leaseMs]);

const END = {
  name: "end-sweep",
  text: `
    UPDATE identity_sweeps
    SET claimed_until = NULL, next_at = now() + $2 * interval '1 ms', swept_at = now(), read_until = greatest($3, read_until)
    WHERE kind = $1`,
};

/** Records a sweep that is complete, and when the next one is due. @throws DependencyUnavailable */
export const endSweep = (kind: SweepKind, nextInMs: number, readUntil?: Date) =>
  query(END, [kind, nextInMs, readUntil]);

const POSTPONE = {
  name: "postpone-sweep",
  text: `
    UPDATE identity_sweeps SET claimed_until = NULL, next_at = now() + $2 * interval '1 ms'
    WHERE kind = $1`,
};

/** Makes a sweep that failed due again: it begins where the last one did. @throws DependencyUnavailable */
export const postponeSweep = (kind: SweepKind, ms: number) => query(POSTPONE, [kind, ms]);

const LAG = {
  name: "identity-lag",
  text: `
    SELECT extract(epoch FROM now() - least(
      (SELECT swept_at FROM identity_sweeps WHERE kind = 'events'),
      (SELECT min(received_at) FROM identity_hints WHERE due_at <= now() AND difference IS NULL)
    ))::float8 AS lag`,
};

/**
 * @returns for how many seconds a change in Keycloak may have waited by now: since the last sweep, or since the oldest
 *   hint that waits; NaN if there was no sweep yet
 * @throws DependencyUnavailable
 */
export async function syncLag(): Promise<number> {
  const [row] = await query<{ lag: number | null }>(LAG, []);
  return row?.lag ?? Number.NaN;
}
