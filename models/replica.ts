import type { Service } from "moleculer";
import { QueryTypes } from "sequelize";
import { config } from "../lib/config/config.ts";
import { gaugeOf } from "../lib/runtime/metrics.ts";
import { repeat, until, within } from "../lib/runtime/tasks.ts";
import { retireAll, sequelize } from "./connections.ts";
import { tookTooLong } from "./database.errors.ts";
import { query } from "./database.ts";

/**
 * Lists and searches are read from a streaming replica, if there is one (DATABASE_READ_URL). They are the most expensive
 * reads, and a page of a list may be outdated when it arrives anyway. All other reads must show what their caller has
 * just written, so they go to the primary.
 */

/** How old may be what the replica returns, in ms. */
const AGE_MAX = 5_000;
/** In ms. A replica that was too far behind is used again when it has caught up to this. */
const CAUGHT_UP = 2_000;
/** In ms. */
const CHECK_EVERY = 1_000;
const CHECK_WITHIN = 1_000;

/** A position of the primary's log at a time or later, in ms. */
type Position = { at: number; lsn: string };

const FIND_POSITION = { name: "find-log-position", text: "SELECT pg_current_wal_lsn()::text AS lsn" };

const COUNT_REPLAYED = `
  SELECT pg_is_in_recovery() AS "isReplica",
    count(*) FILTER (WHERE position <= pg_last_wal_replay_lsn())::integer AS replayed
  FROM unnest($1::pg_lsn[]) AS position`;

/** Those of the last checks, in their order. */
let positions: Position[] = [];
/** The replica has everything that was committed before this time. */
let replayedUntil = Number.NEGATIVE_INFINITY;
/** Aborts when the replica is lost: a frozen server would hold up its reads. */
let lost = new AbortController();
let isUsed: boolean | undefined;

/** How old what the replica returns is at most, in ms. */
const age = () => performance.now() - replayedUntil;

/** Whether the replica answers lists now. */
export const isReplicaUsed = (): boolean => isUsed === true && age() < AGE_MAX;

if (config.readsReplica)
  gaugeOf(
    "user_service_database_replica_age_seconds",
    "How old what the replica returns is at most; +Inf if the replica does not answer",
    () => age() / 1000,
  );

/**
 * Runs a read whose result may be a few seconds old: on the replica, or on the primary if the replica is too far behind
 * or fails.
 *
 * @param read runs it, with `useMaster` as an option of Sequelize
 * @throws what `read` throws
 */
export async function readOld<Result>(read: (useMaster: boolean) => Promise<Result>): Promise<Result> {
  if (!isReplicaUsed()) return read(true);
  const { signal } = lost;
  try {
    const result = await until(signal, read(false));
    if (result !== undefined) return result;
  } catch (error) {
    if (tookTooLong(error)) throw error; // the primary would take as long
  }
  return read(true);
}

/** Checks the replica every second until `signal` aborts, and logs when lists are read from the other server. */
export const watchReplica = (logger: Service["logger"], signal: AbortSignal): Promise<void> =>
  repeat(
    async () => {
      if (!(await within(CHECK_WITHIN, check()))) throw new Error(`No answer within ${CHECK_WITHIN} ms`);
      note(logger, age() < (isUsed ? AGE_MAX : CAUGHT_UP));
    },
    {
      everyMs: CHECK_EVERY,
      signal,
      onError(err) {
        replayedUntil = Number.NEGATIVE_INFINITY;
        lost.abort();
        lost = new AbortController();
        retireAll("read");
        note(logger, false, err);
      },
    },
  );

/**
 * Finds until when the replica has replayed the primary's log. Positions are compared, and no clocks: a replica that is
 * cut off from its primary has replayed all that it received, and may be hours behind.
 */
async function check(): Promise<true> {
  const at = performance.now();
  const [now] = await query<{ lsn: string }>(FIND_POSITION, []);
  positions = [...positions, { at, lsn: now?.lsn ?? "" }].slice(-AGE_MAX / CHECK_EVERY);
  const [found] = await sequelize.query<{ isReplica: boolean; replayed: number }>(COUNT_REPLAYED, {
    type: QueryTypes.SELECT,
    bind: [positions.map(({ lsn }) => lsn)],
    useMaster: false,
  });
  if (!found?.isReplica) throw new Error("It is not a replica: it accepts writes");
  replayedUntil = positions[found.replayed - 1]?.at ?? Number.NEGATIVE_INFINITY;
  return true;
}

function note(logger: Service["logger"], isUsedNow: boolean, err?: unknown): void {
  if (isUsedNow === isUsed) return;
  isUsed = isUsedNow;
  const action = "database_replica";
  if (isUsed) logger.info({ action }, "Lists are read from the replica");
  else if (err) logger.warn({ action, err }, "The replica is unavailable: lists are read from the primary");
  else logger.warn({ action }, `The replica is ${AGE_MAX / 1000} s behind: lists are read from the primary`);
}
