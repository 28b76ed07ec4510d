import type { Migration } from "./migrate.ts";

/**
 * The UUIDs that the message of a dead letter contains: an erasure finds those that name its user by an index. They are
 * null in rows that are older or that a node of an older version stores; nodes with `ingest` fill them in slices.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE FUNCTION uuids_in(message text) RETURNS uuid[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
      SELECT ARRAY(
        SELECT found[1]::uuid FROM regexp_matches(
          message COLLATE "C", '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}', 'g'
        ) AS found
      )
    $$`);
  await sql("ALTER TABLE dead_letters ADD COLUMN uuids UUID[]");
  // without "fastupdate", some insert would have to move thousands of entries into the index at once
  await sql("CREATE INDEX idx_dead_letters_uuids ON dead_letters USING gin (uuids) WITH (fastupdate = off)");
  await sql("CREATE INDEX idx_dead_letters_unfilled ON dead_letters (id) WHERE uuids IS NULL");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("ALTER TABLE dead_letters DROP COLUMN uuids"); // with its indexes
  await sql("DROP FUNCTION uuids_in(text)");
};
