import type { Migration } from "./migrate.ts";

/**
 * The outbox is read by shard (services/outbox/outbox.store.ts), in the order of the ids, so that a read begins behind
 * the records that were deleted. A record that cannot go when its turn comes is held: it has a `set_aside_at`, and a
 * `fault` if Kafka refused it for good.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_outbox_waiting");
  await sql(`CREATE INDEX idx_outbox_queue ON outbox (topic, ${SHARD}, id) WHERE set_aside_at IS NULL`);
  await sql(`
    CREATE INDEX idx_outbox_held ON outbox (topic, ${SHARD}, (coalesce(key, '') COLLATE "C"), id)
    WHERE set_aside_at IS NOT NULL AND fault IS NULL`);
  await sql("CREATE INDEX idx_outbox_refused ON outbox (topic, key) WHERE fault IS NOT NULL");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_outbox_queue, idx_outbox_held, idx_outbox_refused");
  await sql("UPDATE outbox SET set_aside_at = NULL WHERE fault IS NULL");
  await sql(`
    CREATE INDEX idx_outbox_waiting ON outbox (topic, (coalesce(key, '') COLLATE "C"), id)
    WHERE set_aside_at IS NULL`);
};

const SHARD = "((coalesce(hashtextextended(key, 0), id) & 31)::int)";
