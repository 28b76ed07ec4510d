import type { Migration } from "./migrate.ts";

/** The metrics count the dead letters that were given up, so the index on retry_at includes them. */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_dead_letters_retry_at");
  await sql("CREATE INDEX idx_dead_letters_retry_at ON dead_letters (retry_at)");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_dead_letters_retry_at");
  await sql("CREATE INDEX idx_dead_letters_retry_at ON dead_letters (retry_at) WHERE retry_at IS NOT NULL");
};
