import type { Migration } from "./migrate.ts";

/**
 * Search for a part of a text by trigrams. The extension is trusted, so a database's owner may create it; where it
 * can't be had, the search reads the table instead, within its time limit.
 */
export const up: Migration = ({ context: { sql } }) =>
  sql(`
    DO $$ BEGIN
      CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
      CREATE INDEX idx_users_search ON users
        USING gin (full_name gin_trgm_ops, email gin_trgm_ops, company_name gin_trgm_ops)
        WHERE deleted_at IS NULL;
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
      RAISE WARNING 'pg_trgm is not available: searching for users will be slow';
    END $$
  `);

export const down: Migration = ({ context: { sql } }) => sql("DROP INDEX IF EXISTS idx_users_search");
