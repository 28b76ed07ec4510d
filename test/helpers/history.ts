import type { HistoryEntry } from "../../services/users/users.contract.ts";
import type { TestService } from "./service.ts";

/** The entries of a user as they are stored, oldest first. */
export async function entriesOf(service: TestService, id: string): Promise<HistoryEntry[]> {
  const rows = await service.database.sql<
    HistoryEntry & { kind: HistoryEntry["by"]["kind"]; who: string | null }
  >(
    `SELECT version::int AS version, at, by_kind AS kind, by_id AS who, event_id AS "eventId",
       trace_id AS "traceId", changes
     FROM user_history WHERE user_id = $1 ORDER BY user_history.version`,
    [id],
  );
  return rows.map(({ kind, who, at, ...entry }) => ({
    ...entry,
    at: new Date(at).toISOString(),
    by: { kind, ...(who !== null && { id: who }) },
  }));
}
