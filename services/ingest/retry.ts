import type { Service } from "moleculer";
import { config } from "../../lib/config/config.ts";
import { deadLetters, eventsConsumed } from "../../lib/runtime/metrics.ts";
import type { Outcome } from "../stats/stats.contract.ts";
import { countEvents } from "./count.ts";
import { type DeadLetterCode, storable } from "./dead-letter.ts";
import { passHints } from "./hints.ts";
import { type Reading, readMessage } from "./ingest.rules.ts";
import {
  claimDue,
  type DueLetter,
  giveUpUnpublished,
  releaseClaimed,
  type Settlement,
  settle,
} from "./ingest.store.ts";
import { isNotNow, isolate } from "./isolate.ts";
import { recordReceipts } from "./receipts.ts";

/**
 * When an event of an unknown user is retried, in ms after the previous attempt (contract 7). After the last one it is
 * given up.
 */
export const RETRY_AFTER = [500, 1_000, 2_000, 4_000, 8_000] as const;

/** In ms. Claimed letters are due again after the lease; sooner after a failed round or a temporary error. */
const LEASE = 30_000;
const NOT_NOW = 1_000;

type Runner = Pick<Service, "broker" | "logger">;

/**
 * Retries the due dead letters: claims them, passes their events to `stats` and their receipts to `users`, then settles
 * them. It holds no database connection meanwhile. Resolves when none is due.
 * @throws DependencyUnavailable: the claimed letters are due again soon
 */
export async function retryWaiting(runner: Runner, signal?: AbortSignal): Promise<void> {
  for (let due = await claimDue(LEASE); due.length > 0; due = await claimDue(LEASE)) {
    await retryRound(runner, due);
    if (signal?.aborted) return;
  }
}

async function retryRound({ broker, logger }: Runner, due: DueLetter[]): Promise<void> {
  try {
    await isolate(
      due,
      (letters) => retryTogether({ broker, logger }, letters),
      (letter, reason) => setAside(logger, letter, reason),
    );
  } catch (error) {
    if (isNotNow(error)) await releaseClaimed(due, NOT_NOW).catch(() => {}); // otherwise the lease expires
    throw error;
  }
}

/** Gives up a letter that cannot be processed, without publishing it if that fails too. */
async function setAside(logger: Runner["logger"], letter: DueLetter, reason: unknown): Promise<void> {
  const message = storable(String((reason as Error)?.message ?? reason));
  const giveUp: Settlement = { letter, next: "give-up", code: "PROCESSING_ERROR", message };
  try {
    await settleAndReport(logger, [giveUp]);
  } catch (error) {
    if (isNotNow(error)) throw error;
    await giveUpUnpublished(letter);
    report(logger, giveUp);
  }
}

async function retryTogether({ broker, logger }: Runner, letters: DueLetter[]): Promise<void> {
  const read = letters.map((letter) => ({ letter, topic: letter.topic, ...readAgain(letter) }));
  const events = read.filter((one) => one.kind === "event");
  const receipts = read.filter((one) => one.kind === "receipt");
  const hints = read.filter((one) => one.kind === "hint");
  const unreadable = read.filter(({ kind }) => kind === "dead" || kind === "skip");
  const counted = await countEvents(broker, events);
  await passHints(broker, hints);
  const received = await recordReceipts(broker, receipts);
  const unknown = received.filter(({ outcome }) => outcome === "unknown-erasure").map(({ item }) => item);
  const recorded = received.filter(({ outcome }) => outcome !== "unknown-erasure").map(({ item }) => item);
  await settleAndReport(logger, [
    ...[...unreadable, ...unknown].map(
      ({ letter }): Settlement => ({ letter, next: "give-up", code: letter.code }),
    ),
    ...[...recorded, ...hints].map(({ letter }): Settlement => ({ letter, next: "done" })),
    ...counted.map(({ item, outcome }) => settlementOf(item.letter, outcome)),
  ]);
  for (const { item, outcome } of counted) eventsConsumed.inc({ topic: item.topic, outcome });
}

/** What a letter has to be counted or recorded. The message of a replayed one is read again by the current rules. */
const readAgain = ({ topic, counted, event }: DueLetter): Reading =>
  counted ? { kind: "event", event: counted } : readMessage(topic, event, config.keycloakTopics);

/** The outcome of a dead letter's retry. */
export function settlementOf(letter: DueLetter, outcome: Outcome): Settlement {
  if (outcome !== "unknown-user") return { letter, next: "done" };
  const retryInMs = RETRY_AFTER[letter.retryCount + 1];
  const code: DeadLetterCode = "USER_NOT_FOUND";
  return retryInMs === undefined ? { letter, next: "give-up", code } : { letter, next: "retry", retryInMs };
}

async function settleAndReport(logger: Runner["logger"], settlements: Settlement[]): Promise<void> {
  await settle(settlements);
  for (const settlement of settlements) report(logger, settlement);
}

/** Counts and logs a letter that is given up. */
function report(logger: Runner["logger"], settlement: Settlement): void {
  if (settlement.next !== "give-up") return;
  const { letter, code, message } = settlement;
  const { id, topic, partition, offset } = letter;
  deadLetters.inc({ topic, code });
  const line = { action: "event_dead_letter", topic, partition, offset, deadLetter: id, code };
  logger.warn(line, `Event given up${message ? `: ${message}` : ""}`);
}
