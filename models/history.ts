import { callerOf } from "../lib/contract/caller.ts";
import type { TracedCall } from "../lib/tracing/cause.ts";
import { toTraceId } from "../lib/tracing/trace-context.ts";
import type { Actor, Changes } from "../services/users/users.history.contract.ts";
import { actorOf, changesBetween, type Recorded } from "./history.rules.ts";
import type { UserRow } from "./user.ts";

/** Writes the history of users (contract 24): an entry is part of the statement that changes its user. */

/** An entry to be written. Its version and its time are those of the changed row. */
export type Entry = {
  user_id: string;
  by_kind: Actor["kind"];
  by_id?: string;
  event_id?: string;
  trace_id?: string;
  changes: Changes;
};

type After = Recorded & Pick<UserRow, "id" | "keycloakId">;

/**
 * The entry of a change; an empty list if nothing changes that is recorded.
 * @param before the row before it; empty for a creation
 * @param eventId of the event that the change publishes, if any
 */
export function entriesOf(ctx: TracedCall, before: Recorded, after: After, eventId?: string): Entry[] {
  const changes = changesBetween(before, after);
  if (Object.keys(changes).length === 0) return [];
  const { kind, id } = actorOf(callerOf(ctx.meta), after.keycloakId);
  const trace_id = toTraceId(ctx.requestID ?? ctx.id);
  return [{ user_id: after.id, by_kind: kind, by_id: id, event_id: eventId, trace_id, changes }];
}

/**
 * SQL that records entries.
 * @param saved the CTE that returns `id`, `version` and `updated_at` of the changed rows; entries of others are left out
 * @param entries the parameter with the entries as JSON
 */
export const recordEntries = (saved: string, entries: string): string => `
  INSERT INTO user_history (user_id, version, at, by_kind, by_id, event_id, trace_id, changes)
  SELECT changed.id, changed.version, changed.updated_at,
    entry.by_kind, entry.by_id, entry.event_id, entry.trace_id, entry.changes
  FROM ${saved} AS changed
  JOIN json_populate_recordset(NULL::user_history, ${entries}) AS entry ON entry.user_id = changed.id`;
