import type { Migration } from "./migrate.ts";

/**
 * Committed records that are not published yet; a published one is deleted. JSON instead of JSONB keeps the text as it
 * is.
 */
export const up: Migration = ({ context: { sql } }) =>
  sql(`
    CREATE TABLE outbox (
      id BIGSERIAL PRIMARY KEY,
      topic TEXT NOT NULL,
      key TEXT,
      value JSON NOT NULL,
      created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
  `);

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE outbox");
