import { Gauge } from "prom-client";
import { config } from "../../lib/config/config.ts";
import { registry } from "../../lib/runtime/metrics.ts";
import { query } from "../../models/database.ts";
import { GRACE } from "./users.erasure.rules.ts";

/** Erasures that are overdue (contract 25), for the metrics. */

const REASONS = ["not_erased", "held", "not_answered"] as const;

const overdue = new Gauge({
  name: "user_service_erasures_overdue",
  help: "Erasures that are overdue, by reason: not_erased, held (by a legal hold), not_answered (by another service)",
  labelNames: ["reason"],
  registers: [registry],
});

const OPEN = "erasures WHERE cancelled_at IS NULL AND answered_at IS NULL";

/** A backlog of any size stays within the time limit of a statement: the next run continues. */
const MARK_ANSWERED = {
  name: "mark-answered",
  text: `
    UPDATE erasures SET answered_at = now() WHERE id = ANY(ARRAY(
      SELECT id FROM ${OPEN} AND erased_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM unnest($1::text[]) AS party WHERE NOT EXISTS (
          SELECT FROM erasure_receipts WHERE erasure_id = erasures.id AND service = party
        )
      )
      LIMIT 10000
    ))`,
};

const COUNT_OVERDUE = {
  name: "count-overdue",
  text: `
    SELECT reason, count(*)::int AS count FROM (
      SELECT CASE
        WHEN erased_at IS NOT NULL THEN 'not_answered'
        WHEN EXISTS (
          SELECT FROM legal_holds WHERE legal_holds.user_id = erasures.user_id AND released_at IS NULL
        ) THEN 'held'
        ELSE 'not_erased'
      END AS reason
      FROM ${OPEN} AND coalesce(erased_at, due_at) < now() - $1 * interval '1 ms'
    ) AS overdue
    GROUP BY reason`,
};

/**
 * Sets the metric. An erasure that all services have answered is done, also if more services must answer later ones.
 * @throws DependencyUnavailable; the metric stays as it was
 */
export async function observeOverdue(): Promise<void> {
  await query(MARK_ANSWERED, [config.erasureParties]);
  const rows = await query<{ reason: string; count: number }>(COUNT_OVERDUE, [GRACE]);
  const counts = new Map(rows.map(({ reason, count }) => [reason, count]));
  for (const reason of REASONS) overdue.set({ reason }, counts.get(reason) ?? 0);
}
