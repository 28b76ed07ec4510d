import type { Service } from "moleculer";
import { Counter } from "prom-client";
import type { KeycloakAdmin } from "../../lib/keycloak/admin.ts";
import { readKeycloakEvent } from "../../lib/keycloak/event.ts";
import { registry } from "../../lib/runtime/metrics.ts";
import { compareAll } from "./identities.compare.ts";
import { insertHints, newOfUsers, purgeHints } from "./identities.hints.store.ts";
import { type Hint, LACKS_EVENTS } from "./identities.mirror.contract.ts";
import { mayDelete, nextNight } from "./identities.mirror.rules.ts";
import { countUsers } from "./identities.mirror.store.ts";
import { claimSweep, endSweep, postponeSweep, renewSweep } from "./identities.sweeps.store.ts";

/** Looks for what no event reported (contract 27). */

const sweepsRefused = new Counter({
  name: "user_service_identity_sweep_refused_total",
  help: "Sweeps that deleted nobody, because more users are gone from Keycloak than one sweep may delete",
  registers: [registry],
});

type Logger = Service["logger"];

/**
 * In ms. It is renewed with each page that Keycloak returns. Another node sweeps after the lease, if this one has died;
 * that both sweep does no harm.
 */
const LEASE = 30_000;
/** In ms. A sweep of everybody that failed is due again. */
const FULL_FAILED = 300_000;
/** In ms. Events are saved at the end of their transaction, with the time of its begin. */
const OVERLAP = 120_000;
const DAY = 86_400_000; // ms

/** Counts and logs a sweep that may not delete so many users. */
export function reportRefused(logger: Logger, gone: number): void {
  sweepsRefused.inc();
  logger.error(
    { action: "identity_sweep", gone },
    "More users are gone from Keycloak than one sweep may delete: nobody is deleted, see npm run identities",
  );
}

/**
 * Reads what Keycloak reported since the last sweep, if that is due and no other node does it.
 * @throws KeycloakUnavailable, DependencyUnavailable; the next sweep begins where the last complete one ended
 */
export async function sweepEvents(logger: Logger, keycloak: KeycloakAdmin, everyMs: number): Promise<void> {
  const claimed = await claimSweep("events", LEASE, everyMs);
  if (!claimed) return;
  try {
    // what is older than a day is found by the sweep of everybody, which comes first
    const from = (claimed.readUntil?.getTime() ?? Date.now() - DAY) - OVERLAP;
    await endSweep("events", everyMs, await noteEvents(logger, keycloak, from));
  } catch (error) {
    await postponeSweep("events", everyMs);
    throw error;
  }
}

/** Stores the events as hints. @returns the time of the newest one */
async function noteEvents(logger: Logger, keycloak: KeycloakAdmin, since: number): Promise<Date | undefined> {
  const deletions: Hint[] = [];
  let newest = 0;
  for await (const page of keycloak.events(since)) {
    await renewSweep("events", LEASE);
    const hints = page.map(readKeycloakEvent).flatMap((read) => (read.kind === "hint" ? [read.hint] : []));
    newest = Math.max(newest, ...hints.map(({ at = "" }) => Date.parse(at) || 0));
    deletions.push(...hints.filter(({ kind }) => kind === "deleted"));
    await insertHints(
      hints.filter(({ kind }) => kind !== "deleted"),
      null,
    );
  }
  await noteDeletions(logger, deletions);
  return newest > 0 ? new Date(newest) : undefined;
}

async function noteDeletions(logger: Logger, deletions: Hint[]): Promise<void> {
  const ofUsers = await newOfUsers(deletions);
  const isRefused = ofUsers.size > mayDelete(await countUsers());
  if (isRefused) reportRefused(logger, ofUsers.size);
  await insertHints(
    deletions.map((hint) => ({
      ...hint,
      isRefused: isRefused && ofUsers.has(hint.key),
      difference: isRefused && ofUsers.has(hint.key) ? "gone" : undefined,
    })),
    null,
  );
}

/**
 * Compares everybody, nightly, and at the start if the last night was missed.
 * @throws KeycloakUnavailable, DependencyUnavailable; it is due again soon
 */
export async function sweepAll(logger: Logger, keycloak: KeycloakAdmin): Promise<void> {
  if (!(await claimSweep("full", LEASE, DAY))) return;
  try {
    const onPage = () => renewSweep("full", LEASE);
    const { people, counts, refused, lacksEvents } = await compareAll(keycloak, { dryRun: false, onPage });
    logger.info({ action: "identity_sweep", people, ...counts }, "All users compared with Keycloak");
    if (lacksEvents) logger.warn({ action: "identity_sweep" }, LACKS_EVENTS);
    if (refused > 0) reportRefused(logger, refused);
    await purgeHints();
    const now = new Date();
    await endSweep("full", nextNight(now).getTime() - now.getTime());
  } catch (error) {
    await postponeSweep("full", FULL_FAILED);
    throw error;
  }
}
