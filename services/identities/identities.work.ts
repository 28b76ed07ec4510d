import { setTimeout as sleep } from "node:timers/promises";
import type { Service } from "moleculer";
import { config } from "../../lib/config/config.ts";
import { BadRequest } from "../../lib/contract/errors.ts";
import { type KeycloakAdmin, openKeycloak } from "../../lib/keycloak/admin.ts";
import { sharedGaugeOf } from "../../lib/runtime/metrics.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { type Comparison, compareAll } from "./identities.compare.ts";
import { countDifferences, isAnyDue, retryDifferences } from "./identities.hints.store.ts";
import type { Counts, Report } from "./identities.mirror.contract.ts";
import { TRY_AGAIN } from "./identities.mirror.rules.ts";
import { mirrorDue, type Runner } from "./identities.mirror.ts";
import { reportRefused, sweepAll, sweepEvents } from "./identities.sweep.ts";
import { syncLag } from "./identities.sweeps.store.ts";

/** Keeps users in step with Keycloak while the service runs, or at once for an operator (contract 27). */

/** In ms: how often is looked for hints and for sweeps that are due. */
const LOOK_EVERY = { hints: 500, sweep: 1_000, full: 30_000 };

// without the admin API they have no figures
sharedGaugeOf(
  "user_service_identity_differences",
  "People who differ from Keycloak, by kind: missing, gone, name, email, status",
  async () =>
    config.keycloak
      ? Object.entries(await countDifferences()).map(([kind, value]) => ({ labels: { kind }, value }))
      : [],
  ["kind"],
);
sharedGaugeOf(
  "user_service_identity_sync_lag_seconds",
  "For how long a change in Keycloak may wait by now: since the last sweep, or the oldest hint that waits",
  async () => (config.keycloak ? syncLag() : Number.NaN),
);

/** Follows Keycloak until `signal` aborts, if its admin API is configured. Resolves after the last run. */
export async function followKeycloak(runner: Service, signal: AbortSignal): Promise<void> {
  if (!config.keycloak) return;
  const { logger } = runner;
  const { syncMs } = config.keycloak;
  const keycloak = openKeycloak(config.keycloak, signal);
  const every = (everyMs: number, work: () => Promise<unknown>) =>
    repeat(work, {
      everyMs,
      signal,
      onError: (error) => {
        if (signal.aborted) return;
        logger.warn({ action: "identity_sync", err: error }, "Users are not compared with Keycloak");
      },
    });
  await Promise.all([
    every(LOOK_EVERY.hints, () => mirrorDue(runner, keycloak, signal)),
    every(LOOK_EVERY.sweep, () => sweepEvents(logger, keycloak, syncMs)),
    every(LOOK_EVERY.full, () => sweepAll(logger, keycloak)),
  ]);
}

/**
 * Compares everybody at once; unless it is a dry run, follows what was found.
 * @throws BadRequest if the admin API is not configured, KeycloakUnavailable, DependencyUnavailable
 */
export async function syncNow(runner: Runner, comparison: Comparison): Promise<Report> {
  const keycloak = keycloakOfNode();
  const report = await compareAll(keycloak, comparison);
  if (comparison.dryRun) return report;
  if (report.refused > 0) reportRefused(runner.logger, report.refused);
  return { ...report, left: await endDifferences(runner, keycloak) };
}

/** After so many passes in a row that ended no difference, the rest is left: what runs in the background adds some. */
const FRUITLESS_PASSES = 3;

/** Follows what differs, until nothing more ends. @returns what is left */
async function endDifferences(runner: Runner, keycloak: KeycloakAdmin): Promise<Counts> {
  let left = await followDue(runner, keycloak);
  for (let fruitless = 0; sumOf(left) > 0 && fruitless < FRUITLESS_PASSES; ) {
    const before = sumOf(left);
    // an e-mail may be free now because its user has another one
    await retryDifferences(TRY_AGAIN.last);
    left = await followDue(runner, keycloak);
    fruitless = sumOf(left) < before ? 0 : fruitless + 1;
  }
  return left;
}

/** Follows what is due. @returns what still differs */
async function followDue(runner: Runner, keycloak: KeycloakAdmin): Promise<Counts> {
  // another node, or this one in the background, may be following some of them
  for (let isThere = true; isThere && (await isAnyDue()); await sleep(LOOK_EVERY.hints))
    isThere = await mirrorDue(runner, keycloak);
  return countDifferences();
}

const sumOf = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

function keycloakOfNode(): KeycloakAdmin {
  if (!config.keycloak) throw new BadRequest("KEYCLOAK_ADMIN_CLIENT_ID is not set");
  return openKeycloak(config.keycloak, new AbortController().signal);
}
