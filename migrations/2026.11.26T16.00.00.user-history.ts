import type { Migration } from "./migrate.ts";

/**
 * The history of users (contract 24). The primary key finds a user's entries by version and, as times do not go back,
 * also by time. It allows one entry per version. There is no foreign key, because its check would cost each change a
 * lookup, and rows of users stay.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE user_history (
      user_id UUID NOT NULL,
      version BIGINT NOT NULL,
      at TIMESTAMPTZ(3) NOT NULL,
      by_kind TEXT NOT NULL,
      by_id TEXT,
      event_id UUID,
      trace_id TEXT,
      changes JSONB NOT NULL,
      PRIMARY KEY (user_id, version)
    )`);
  await sql("CREATE INDEX idx_user_history_at ON user_history (at)"); // for the purge; new entries are at its end
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE user_history");
