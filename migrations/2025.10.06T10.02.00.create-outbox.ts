import type { Migration } from "./migrate.ts";

/** Records that are committed and yet to be published; a published one is deleted. JSON, not JSONB: it goes out as it came in. */
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
