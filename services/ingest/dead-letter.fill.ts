import { query } from "../../models/database.ts";

/** Few enough for the statement timeout, also if each message has 1 MiB. */
const SLICE = 25;

const FILL = {
  name: "fill-uuids",
  text: `
    WITH unfilled AS (
      SELECT id FROM dead_letters WHERE uuids IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE dead_letters AS letter SET uuids = uuids_in(encode(event, 'escape')) FROM unfilled WHERE letter.id = unfilled.id
    RETURNING letter.id`,
};

/**
 * Fills `uuids` of the dead letters that a node of an older version stored, in slices. In the release after the next
 * there are none any more.
 * @throws DependencyUnavailable; what is filled stays filled
 */
export async function fillUuids(signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await query(FILL, [SLICE])).length > 0);
}
