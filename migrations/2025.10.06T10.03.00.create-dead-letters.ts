import type { Migration } from "./migrate.ts";

/**
 * Consumed events that could not be counted: retry_at is set if they wait for their user, and null if they are
 * dead-lettered. The event is kept as the original bytes, because JSONB and TEXT refuse NUL and lone surrogates.
 * Partition and offset are null for an event that was emitted natively.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE dead_letters (
      id BIGSERIAL PRIMARY KEY,
      key VARCHAR(255) NOT NULL UNIQUE,
      topic VARCHAR(255) NOT NULL,
      partition INTEGER,
      "offset" BIGINT,
      event BYTEA NOT NULL,
      code TEXT NOT NULL,
      message TEXT NOT NULL,
      retry_count INTEGER NOT NULL DEFAULT 0,
      retry_at TIMESTAMPTZ,
      failed_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
  `);
  await sql("CREATE INDEX idx_dead_letters_retry_at ON dead_letters (retry_at) WHERE retry_at IS NOT NULL");
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE dead_letters");
