import type { Envelope } from "../../services/contracts.ts";
import {
  type Changes,
  DEFAULT_PREFERENCES,
  type PreferencesPatch,
  type Value,
} from "../../services/users/users.contract.ts";
import type { World } from "./world.ts";

/** Contract 24: the history of each user, replayed from its creation, yields its row, and has one entry per event. */

type Note = (fault: "lost" | "doubled", detail: string) => void;
type Row = { id: string; preferences: PreferencesPatch } & Record<string, Value>;
type Entry = { userId: string; version: number; eventId: string | null; changes: Changes };

const ROWS = `
  SELECT id, keycloak_id AS "keycloakId", email, full_name AS "fullName", company_name AS "companyName", phone, bio,
    avatar_url AS "avatarUrl", max_interviews AS "maxInterviews", max_storage::float8 AS "maxStorage",
    status, status_reason AS "statusReason",
    to_char(deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "deletedAt", preferences
  FROM users`;
const ENTRIES = `SELECT user_id AS "userId", version::int AS version, event_id AS "eventId", changes
  FROM user_history ORDER BY user_id, user_history.version`;

/** Compares the history with the rows and the published events. Returns the number of entries. */
export async function checkHistory({ sql }: World, events: Envelope[], note: Note): Promise<number> {
  const entries = await sql<Entry>(ENTRIES);
  const byUser = Map.groupBy(entries, ({ userId }) => userId);
  for (const row of await sql<Row>(ROWS)) checkReplay(row, byUser.get(row.id) ?? [], note);
  checkEvents(entries, events, note);
  return entries.length;
}

const pathsOf = ({ notifications, ...rest }: PreferencesPatch): Record<string, Value> =>
  Object.fromEntries([
    ...Object.entries(rest).map(([name, value]) => [`preferences.${name}`, value]),
    ...Object.entries(notifications ?? {}).map(([name, value]) => [
      `preferences.notifications.${name}`,
      value,
    ]),
  ]);
const DEFAULTS = pathsOf(DEFAULT_PREFERENCES);

/** The old value of each change is the new value of the previous one, and the last new value is in the row. */
function checkReplay({ id, preferences, ...row }: Row, entries: Entry[], note: Note): void {
  const last: Record<string, Value> = { ...row, ...DEFAULTS, ...pathsOf(preferences) };
  const state: Record<string, Value> = {
    ...Object.fromEntries(Object.keys(last).map((field) => [field, null])),
    ...DEFAULTS,
    status: "active",
  };
  for (const { version, changes } of entries)
    for (const [field, { from, to }] of Object.entries(changes)) {
      if (from !== state[field])
        note("lost", `a change of ${field} of ${id} before version ${version}: ${state[field]}, not ${from}`);
      state[field] = to;
    }
  for (const [field, value] of Object.entries(last))
    if (state[field] !== value)
      note("lost", `the history of ${id} leads to ${field} ${state[field]}, not ${value}`);
}

function checkEvents(entries: Entry[], events: Envelope[], note: Note): void {
  const linked = entries.flatMap(({ eventId }) => eventId ?? []);
  const known = new Set(linked);
  if (known.size < linked.length) note("doubled", `${linked.length - known.size} entries of one event`);
  for (const { eventId, eventType } of events)
    if (!known.delete(eventId) && !eventType.startsWith("user.quota_"))
      note("lost", `the entry of ${eventType} ${eventId}`);
  for (const eventId of known) note("lost", `event ${eventId}, which an entry names`);
  for (const { userId, version, eventId, changes } of entries)
    if (!eventId && !Object.keys(changes).every((field) => field.startsWith("max")))
      note("lost", `the event of version ${version} of ${userId}`);
}
