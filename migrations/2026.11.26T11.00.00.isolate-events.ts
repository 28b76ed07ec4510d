import type { Migration } from "./migrate.ts";

/**
 * The ids of processed events become BIGINT: an INTEGER sequence wraps after 25 hours at 23,600 events/s. A dead letter
 * that waits for its user also keeps the parsed event, so that a retry does not parse the message again.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("ALTER TABLE processed_events ALTER COLUMN id TYPE BIGINT");
  await sql("ALTER SEQUENCE processed_events_id_seq AS BIGINT NO CYCLE");
  await sql("ALTER TABLE dead_letters ADD COLUMN counted JSON");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("ALTER TABLE dead_letters DROP COLUMN counted");
  await sql("ALTER TABLE processed_events ALTER COLUMN id TYPE INTEGER");
  await sql("ALTER SEQUENCE processed_events_id_seq AS INTEGER CYCLE");
};
