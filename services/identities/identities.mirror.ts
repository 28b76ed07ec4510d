import type { Service } from "moleculer";
import pLimit from "p-limit";
import { type KeycloakAdmin, KeycloakUnavailable } from "../../lib/keycloak/admin.ts";
import { claimHints, type DueHint, type Settled, settleHints } from "./identities.hints.store.ts";
import { tryAgainIn } from "./identities.mirror.rules.ts";
import { mirrorPerson, type Rest } from "./identities.person.ts";

/** Follows the hints that are due (contract 27). */

export type Runner = Pick<Service, "broker" | "logger">;

/** The people of one round, and how many of them are read at once. */
const ROUND = 40;
const AT_ONCE = 4;
/** In ms. Another node follows claimed hints after the lease, if this one has died. */
const LEASE = 30_000;
const NOT_NOW = 5_000;
/** After so many people in a row whom Keycloak does not return, the others of the round wait too. */
const PATIENCE = 3;

/**
 * Follows all hints that are due. A person who cannot be mirrored is tried again later, and stops no other.
 * @returns whether Keycloak answered
 * @throws DependencyUnavailable
 */
export async function mirrorDue(
  runner: Runner,
  keycloak: KeycloakAdmin,
  signal?: AbortSignal,
): Promise<boolean> {
  for (let due = await claimHints(ROUND, LEASE); due.length > 0; due = await claimHints(ROUND, LEASE)) {
    const isThere = await mirrorRound(runner, keycloak, due);
    if (!isThere || signal?.aborted) return isThere;
  }
  return true;
}

async function mirrorRound(runner: Runner, keycloak: KeycloakAdmin, due: DueHint[]): Promise<boolean> {
  let failures = 0;
  const mirror = async (hints: DueHint[]): Promise<Settled[]> => {
    if (failures >= PATIENCE) return hints.map((hint) => ({ hint, tryAgainInMs: NOT_NOW }));
    try {
      const rest = await mirrorPerson(runner.broker, keycloak, hints);
      failures = 0;
      return settlementsOf(hints, rest);
    } catch (error) {
      if (error instanceof KeycloakUnavailable) failures += 1;
      runner.logger.warn({ action: "identity_mirror" }, (error as Error).message);
      return hints.map((hint) => ({ hint, tryAgainInMs: tryAgainIn(true, hint.attempts) }));
    }
  };
  const limit = pLimit(AT_ONCE);
  const people = [...Map.groupBy(due, ({ keycloakId }) => keycloakId).values()];
  // people who failed before come last: they must not use up the patience with each round
  people.sort(([a], [b]) => (a?.attempts ?? 0) - (b?.attempts ?? 0));
  const settled = await Promise.all(people.map((hints) => limit(mirror, hints)));
  await settleHints(settled.flat());
  return failures < PATIENCE;
}

/** One hint of a person keeps what differs, so that they do not pile up; all do while the person is gone. */
function settlementsOf(hints: DueHint[], { difference, mayEnd = false }: Rest): Settled[] {
  const kept = difference === "gone" ? hints : hints.slice(-1);
  return hints.map((hint) =>
    difference && kept.includes(hint)
      ? { hint, difference, tryAgainInMs: tryAgainIn(mayEnd, hint.attempts) }
      : { hint },
  );
}
