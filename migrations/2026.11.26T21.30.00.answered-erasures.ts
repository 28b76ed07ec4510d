import type { Migration } from "./migrate.ts";

/** Erasures that all other services have answered are marked, so that those that are overdue are counted quickly. */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("ALTER TABLE erasures ADD COLUMN answered_at TIMESTAMPTZ(3)");
  await sql(`
    CREATE INDEX idx_erasures_open ON erasures (coalesce(erased_at, due_at))
    WHERE cancelled_at IS NULL AND answered_at IS NULL`);
};

export const down: Migration = ({ context: { sql } }) => sql("ALTER TABLE erasures DROP COLUMN answered_at"); // with its index
