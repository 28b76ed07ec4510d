import type { Migration } from "./migrate.ts";

/**
 * A record that Kafka refuses for good is set aside with the reason, and the later records of its key and topic wait
 * behind it. The relay reads a topic key by key, so the index is in that order. Collation "C" makes it independent of
 * the database's locale.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("ALTER TABLE outbox ADD COLUMN set_aside_at TIMESTAMPTZ, ADD COLUMN fault TEXT");
  await sql(`
    CREATE INDEX idx_outbox_waiting ON outbox (topic, (coalesce(key, '') COLLATE "C"), id)
    WHERE set_aside_at IS NULL`);
  await sql("CREATE INDEX idx_outbox_set_aside ON outbox (topic, key) WHERE set_aside_at IS NOT NULL");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_outbox_waiting, idx_outbox_set_aside");
  await sql("ALTER TABLE outbox DROP COLUMN set_aside_at, DROP COLUMN fault");
};
