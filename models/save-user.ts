import type { Transaction } from "sequelize";
import { inBatches } from "../lib/runtime/batch.ts";
import type { Counter } from "../services/stats/stats.contract.ts";
import { mayBeOfOne } from "./database.errors.ts";
import { query } from "./database.ts";
import { type Entry, recordEntries } from "./history.ts";
import { columnsOfRecords, type OutboxRecord } from "./outbox.ts";
import { fieldOf, HIGHEST, OWNED, type Owner, type UserRow } from "./user.ts";

/** Saves decided changes of users: rows, events and history in one statement. */

/** The row after a change, the records of its events, and its entry in the history, if it has one. */
export type Decided = { row: UserRow; records: OutboxRecord[]; entries: Entry[] };

/** Who writes: a service, or the change of a user who is or was deleted. */
export type Writer = Owner | "deleted";

/** The columns that each writes: its own, and the counters. */
const columnsOf = (writer: Writer): (keyof UserRow)[] => {
  const { users, avatars, identities } = OWNED;
  const own = writer === "deleted" ? [...users, ...avatars, ...identities] : OWNED[writer];
  return [...new Set([...own, ...OWNED.row, ...(Object.keys(HIGHEST) as Counter[])])];
};

/**
 * A row is saved only in the version before, on which its change was decided. A row that somebody else has locked is
 * left out, so that nobody waits for it.
 */
const saveStatement = (writer: Writer) => ({
  name: `save-users-${writer}`,
  text: `
    WITH changed AS (
      SELECT * FROM json_populate_recordset(NULL::users, $2)
    ), free AS (
      SELECT users.id FROM users JOIN changed USING (id)
      WHERE users.id = ANY($1::uuid[]) AND users.version = changed.version - 1
      ORDER BY users.id FOR NO KEY UPDATE OF users SKIP LOCKED
    ), saved AS (
      UPDATE users SET ${columnsOf(writer).map((column) => `${fieldOf(column)} = changed.${fieldOf(column)}`)}
      FROM changed JOIN free USING (id)
      WHERE users.id = changed.id
      RETURNING users.id, users.version, users.updated_at
    ), events AS (
      INSERT INTO outbox (topic, key, value, traceparent)
      SELECT topic, key, value, traceparent
      FROM unnest($3::text[], $4::text[], $5::json[], $6::text[]) WITH ORDINALITY
        AS event (topic, key, value, traceparent, place)
      JOIN saved ON saved.id::text = event.key ORDER BY place
    ), history AS (
      ${recordEntries("saved", "$7")}
    )
    SELECT id FROM saved`,
});
const SAVE = {
  users: saveStatement("users"),
  stats: saveStatement("stats"),
  avatars: saveStatement("avatars"),
  identities: saveStatement("identities"),
  deleted: saveStatement("deleted"),
};

/** Saves changes of different users. Returns the ids of those that were saved. */
async function save(writer: Writer, changes: Decided[], tx?: Transaction): Promise<Set<string>> {
  const columns = [...new Set(["id" as const, ...columnsOf(writer)])];
  const rows = changes.map(({ row }) =>
    Object.fromEntries(columns.map((column) => [fieldOf(column), row[column]])),
  );
  const saved = await query<{ id: string }>(
    SAVE[writer],
    [
      changes.map(({ row }) => row.id),
      JSON.stringify(rows),
      ...columnsOfRecords(changes.flatMap(({ records }) => records)),
      JSON.stringify(changes.flatMap(({ entries }) => entries)),
    ],
    tx,
  );
  return new Set(saved.map(({ id }) => id));
}

/**
 * Saves a change in a statement of its own, in the transaction if one is given: within it, the row is locked already.
 * @returns whether the change was saved
 */
export const saveAlone = async (writer: Writer, change: Decided, tx?: Transaction): Promise<boolean> =>
  (await save(writer, [change], tx)).has(change.row.id);

/**
 * Changes at the same moment share one statement, each user's first one. It leaves out all of them if one fails it.
 * None of them may be a change of the e-mail: it waits for a transaction that has not committed the same e-mail.
 * @returns whether the change was saved
 */
const savingTogether = (owner: Owner) =>
  inBatches(async (changes: Decided[]) => {
    const firsts = new Set(new Map(changes.toReversed().map((change) => [change.row.id, change])).values());
    const saved = await save(owner, [...firsts]).catch((error) => {
      if (mayBeOfOne(error, changes.length)) return new Set();
      throw error;
    });
    return changes.map((change) => firsts.has(change) && saved.has(change.row.id));
  });

/** Saves a change without a transaction. Rejects with DependencyUnavailable, or the error of the change alone. */
export const saveTogether = {
  users: savingTogether("users"),
  stats: savingTogether("stats"),
  avatars: savingTogether("avatars"),
  identities: savingTogether("identities"),
};
