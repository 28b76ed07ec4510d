import type { Migration } from "./migrate.ts";

/**
 * An index of trigrams for the search by a part of a text. The extension may already exist in any schema; it is
 * trusted, so the owner of a database may create it. Without it, a search scans the table, within its time limit.
 */
export const up: Migration = ({ context: { sql } }) =>
  sql(`
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        EXECUTE format('CREATE EXTENSION pg_trgm WITH SCHEMA %I', coalesce(
          (SELECT 'public' FROM pg_namespace WHERE nspname = 'public'), current_schema()));
      END IF;
      EXECUTE (
        SELECT format(
          'CREATE INDEX idx_users_search ON users
            USING gin (full_name %1$I.gin_trgm_ops, email %1$I.gin_trgm_ops, company_name %1$I.gin_trgm_ops)
            WHERE deleted_at IS NULL', nspname)
        FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'
      );
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
      RAISE WARNING 'pg_trgm is not available: searching for users will be slow';
    END $$
  `);

export const down: Migration = ({ context: { sql } }) => sql("DROP INDEX IF EXISTS idx_users_search");
