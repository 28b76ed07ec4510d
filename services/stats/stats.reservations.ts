import type { Transaction } from "sequelize";
import { QuotaExceeded, ReservationNotFound, UserNotFound } from "../../lib/contract/errors.ts";
import type { Resource } from "../../lib/contract/resource.ts";
import { inBatches } from "../../lib/runtime/batch.ts";
import { query, type Statement } from "../../models/database.ts";
import { type PurgeLimits, purge } from "../../models/purge.ts";
import { inTurn } from "../../models/user-turn.ts";
import type { CountedEvent } from "./stats.contract.ts";
import type { CountedAhead, Reservation, ReservationCount } from "./stats.rules.ts";

/**
 * The table `quota_reservations` (contract 26). A reservation counts as long as it is open and has not expired. The
 * database's clock decides, so that no task needs to run at that time.
 */

/** A requested reservation; `ttl` in seconds. */
export type Wish = { id: string; resource: Resource; amount: number; ttl: number };

/** In the order of the users' ids, to prevent deadlocks between statements. */
const reserveStatement = (name: string, condition: string) => ({
  name,
  text: `
    SELECT place::integer, reservation AS id, expires AS "expiresAt", remaining
    FROM (
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::integer[])
        WITH ORDINALITY AS wish (user_id, resource, amount, ttl, place) ${condition} ORDER BY user_id, place
    ) AS wish CROSS JOIN LATERAL reserve_quota(user_id, resource, amount, ttl)`,
});
const LIMIT = "CASE wish.resource WHEN 'interviews' THEN max_interviews ELSE max_storage END";
const RESERVE = reserveStatement("reserve-quotas", "");
/** Leaves out who is locked by somebody else. Without a limit, nothing is locked. */
const RESERVE_UNLOCKED = reserveStatement(
  "reserve-unlocked-quotas",
  `WHERE EXISTS (SELECT FROM users WHERE id = user_id AND ${LIMIT} IS NULL) OR user_id IN (
    SELECT id FROM users JOIN unnest($1::uuid[], $2::text[]) AS wish (id, resource) USING (id)
    WHERE ${LIMIT} IS NOT NULL ORDER BY id FOR UPDATE OF users SKIP LOCKED
  )`,
);

/** The outcome of a wish: without `id` if the quota does not suffice. */
type Outcome = { place: number; id: string | null; expiresAt: Date; remaining: number | null };

/** An unknown user's wish has no outcome. */
async function reserveAll(
  statement: Statement,
  wishes: Wish[],
  tx?: Transaction,
): Promise<Map<Wish | undefined, Outcome>> {
  const columns = (["id", "resource", "amount", "ttl"] as const).map((column) =>
    wishes.map((wish) => wish[column]),
  );
  const outcomes = await query<Outcome>(statement, columns, tx);
  return new Map(outcomes.map((outcome) => [wishes[outcome.place - 1], outcome]));
}

/**
 * Reservations at the same moment share one statement, except for users whose row somebody has locked: each of those
 * has a statement of its own, so that nobody else waits.
 */
const reserveTogether = inBatches(async (wishes: Wish[]) => {
  const done = await reserveAll(RESERVE_UNLOCKED, wishes);
  const left = Map.groupBy(
    wishes.filter((wish) => !done.has(wish)),
    ({ id }) => id,
  );
  const alone = new Map(
    Array.from(left, ([id, ofUser]) => [id, inTurn(id, () => reserveAll(RESERVE, ofUser))]),
  );
  return wishes.map(async (wish) => done.get(wish) ?? (await alone.get(wish.id))?.get(wish));
});

/**
 * Reserves a part of a user's quota in one round trip.
 * @returns the reservation, and what remains after it; null if the quota is unlimited
 * @throws UserNotFound, QuotaExceeded, DependencyUnavailable
 */
export async function reserve(wish: Wish, tx?: Transaction) {
  const outcome = tx ? (await reserveAll(RESERVE, [wish], tx)).get(wish) : await reserveTogether(wish);
  const { id: userId, resource, amount } = wish;
  if (!outcome) throw new UserNotFound("ID", userId);
  const { id, expiresAt, remaining } = outcome;
  if (id === null) throw new QuotaExceeded(resource, amount, remaining ?? 0);
  return { reservation: { id, userId, resource, amount, expiresAt }, remaining };
}

/** An SQL expression: the state of a reservation, which may have expired while its transaction waited. */
const STATE = "CASE WHEN state = 'open' AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END";

const LOCK = {
  name: "lock-reservation",
  text: `
    SELECT id, user_id AS "userId", resource, amount, expires_at AS "expiresAt", ${STATE} AS state
    FROM quota_reservations WHERE id = $1 AND user_id = $2 FOR UPDATE`,
};

/**
 * Locks a reservation of a user. If the user's row is locked too, lock that first.
 * @throws ReservationNotFound
 */
export async function lockReservation(tx: Transaction, id: string, userId: string): Promise<Reservation> {
  const [reservation] = await query<Reservation>(LOCK, [id, userId], tx);
  if (!reservation) throw new ReservationNotFound(id);
  return reservation;
}

const END = { name: "end-reservation", text: "UPDATE quota_reservations SET state = $2 WHERE id = $1" };

export const endReservation = (tx: Transaction, id: string, state: "committed" | "released") =>
  query(END, [id, state], tx);

const COUNT = {
  name: "count-reservations",
  text: `
    WITH named AS (
      SELECT reservation.id, reservation.state
      FROM quota_reservations AS reservation
      JOIN unnest($1::uuid[], $2::uuid[], $3::text[]) AS event (id, user_id, resource)
        USING (id, user_id, resource)
      WHERE reservation.state IN ('open', 'committed') ORDER BY id FOR UPDATE OF reservation
    ), counted AS (
      UPDATE quota_reservations AS reservation SET state = 'counted' FROM named WHERE reservation.id = named.id
      RETURNING user_id, resource, amount, named.state AS before
    )
    SELECT user_id AS "userId", resource, amount FROM counted WHERE before = 'committed'`,
};

/**
 * Ends the reservations that the events name, whose users' rows are locked. An id that names none of its user and
 * resource has no effect.
 * @returns those that a call has committed before
 */
export async function countReservations(tx: Transaction, events: CountedEvent[]): Promise<CountedAhead[]> {
  const naming = events.filter(({ reservation }) => reservation !== undefined);
  if (naming.length === 0) return [];
  const values = [
    naming.map(({ reservation }) => reservation?.id),
    naming.map(({ userId }) => userId),
    naming.map(({ reservation }) => reservation?.resource),
  ];
  return query<CountedAhead>(COUNT, values, tx);
}

/**
 * An SQL condition. Reservations are kept as long as processed events, because late events and repeated calls may refer
 * to them.
 */
const OLD = "expires_at < now() - interval '30 days'";

/**
 * Deletes the reservations that expired, or would have, 30 days ago.
 * @throws DependencyUnavailable; what was deleted stays deleted
 */
export const purgeReservations = (limits?: PurgeLimits): Promise<void> =>
  purge("quota_reservations", OLD, limits);

const COUNT_RECENT = {
  name: "count-recent-reservations",
  text: `
    SELECT resource, ${STATE} AS state, count(*) FROM quota_reservations
    WHERE expires_at > now() - interval '1 hour' GROUP BY 1, 2`,
};

/** Counts the reservations that have not expired, or did so within the last hour: few, however many are kept. */
export const countRecent = (): Promise<ReservationCount[]> => query<ReservationCount>(COUNT_RECENT, []);
