import { createHash } from "node:crypto";
import { type Context, Errors } from "moleculer";
import type { Transaction } from "sequelize";
import { callerOf, type Meta } from "../lib/contract/caller.ts";
import { IdempotencyKeyReused, RequestInProgress } from "../lib/contract/errors.ts";
import { query, transaction } from "./database.ts";
import { type PurgeLimits, purge } from "./purge.ts";

/** Requests that can be repeated safely with an `Idempotency-Key` (contract 21). */

type Call = Pick<Context<unknown, Meta>, "action" | "params" | "meta" | "locals">;

/** A stored answer: the action's result and the version that it reported, or the error that it rejected with. */
type Answer = Success | { error: Refusal };
type Success = { result: unknown; version?: number };
type Refusal = { message: string; code: number; type: string; data?: unknown };

/**
 * Runs `work` once per caller, action and idempotency key. Its effect and its answer commit together, so that a crash
 * cannot separate them. A repeat gets the stored answer, with `meta.replayed` set. Without a key, `work` simply runs.
 *
 * @param work does all its writes in the transaction if it gets one; it may run again, so it must have no other effects
 * @throws RequestInProgress while the first request runs, IdempotencyKeyReused if the params differ from those of the
 * first request, DependencyUnavailable, what `work` throws or threw
 */
export async function once<Result>(
  { action, params, meta, locals }: Call,
  work: (tx?: Transaction) => Promise<Result>,
): Promise<Result> {
  const { idempotencyKey: key } = meta;
  meta.replayed = false; // Moleculer keeps the meta of an earlier call
  if (key === undefined) return work();
  const { internal, user } = callerOf(meta);
  const id = sha256([internal ? "internal" : "user", user?.sub, action?.name, key]);
  const run = async (tx: Transaction) => ({ result: await work(tx), version: meta.version });
  const { answer, replayed } = await transaction((tx) => answerOnce(tx, id, sha256(params), run));
  meta.replayed = locals.hadNoEffect = replayed;
  if ("result" in answer) {
    meta.version = answer.version;
    return answer.result as Result;
  }
  const { message, code, type, data } = answer.error;
  throw new Errors.MoleculerClientError(message, code, type, data);
}

async function answerOnce(
  tx: Transaction,
  id: Buffer,
  fingerprint: Buffer,
  run: (tx: Transaction) => Promise<Success>,
): Promise<{ answer: Answer; replayed: boolean }> {
  // lock first: the request that gets the lock sees the answer of the previous one
  const locked = await tryLock(tx, id);
  const stored = await find(tx, id);
  if (stored && !stored.fingerprint.equals(fingerprint)) throw new IdempotencyKeyReused();
  if (stored) return { answer: stored.answer, replayed: true };
  if (!locked) throw new RequestInProgress();

  const answer = await attempt(tx, run);
  await insert(tx, id, fingerprint, answer);
  return { answer, replayed: false };
}

/** A refused request has no effect, and its error is its answer. */
async function attempt(tx: Transaction, run: (tx: Transaction) => Promise<Success>): Promise<Answer> {
  await query({ name: "before-work", text: "SAVEPOINT before_work" }, [], tx);
  try {
    return await run(tx);
  } catch (error) {
    if (!isFinal(error)) throw error;
    await query({ name: "undo-work", text: "ROLLBACK TO SAVEPOINT before_work" }, [], tx);
    const { message, code, type, data } = error as Refusal;
    return { error: { message, code, type, data } };
  }
}

/** Statuses that depend on more than the request: a repeat may succeed later. */
const PASSING = [401, 403, 408, 429];

function isFinal(error: unknown): boolean {
  const { code, type } = error as { code?: unknown; type?: unknown };
  const status = typeof code === "number" && typeof type === "string" ? code : 500;
  return status >= 400 && status < 500 && !PASSING.includes(status);
}

/** Equal for equal values, regardless of the order of their fields. */
const sha256 = (value: unknown): Buffer =>
  createHash("sha256")
    .update(JSON.stringify(value, (_key, part) => (isRecord(part) ? sorted(part) : part)) ?? "")
    .digest();

const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const sorted = (record: object) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

const LOCK = { name: "lock-key", text: "SELECT pg_try_advisory_xact_lock($1) AS locked" };

/** Never waits. PostgreSQL releases the lock when the transaction ends, even if this node dies. */
async function tryLock(tx: Transaction, id: Buffer): Promise<boolean> {
  const [row] = await query<{ locked: boolean }>(LOCK, [id.readBigInt64BE()], tx);
  return row?.locked ?? false;
}

/** An SQL condition: answers of this age are no longer used, and are purged. */
const EXPIRED = "created_at < now() - interval '24 hours'";

const FIND = {
  name: "find-answer",
  text: `SELECT fingerprint, answer FROM idempotent_answers WHERE id = $1 AND NOT (${EXPIRED})`,
};

async function find(tx: Transaction, id: Buffer) {
  const [row] = await query<{ fingerprint: Buffer; answer: Answer }>(FIND, [id], tx);
  return row;
}

/** An existing row with the same id can only be an expired one. */
const INSERT = {
  name: "insert-answer",
  text: `
    INSERT INTO idempotent_answers (id, fingerprint, answer) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE
    SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at`,
};

const insert = (tx: Transaction, id: Buffer, fingerprint: Buffer, answer: Answer) =>
  query(INSERT, [id, fingerprint, JSON.stringify(answer)], tx);

/**
 * Deletes expired answers.
 * @throws DependencyUnavailable
 */
export const purgeAnswers = (limits?: PurgeLimits): Promise<void> =>
  purge("idempotent_answers", EXPIRED, limits);
