import type { Migration } from "./migrate.ts";

/**
 * Contract 5. E-mails and Keycloak ids are unique among users that are not deleted, so that a person who left can sign
 * up again. TIMESTAMPTZ(3) stores exactly what JSON shows, so that a page's cursor is exact.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE users (
      id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
      keycloak_id VARCHAR(255) NOT NULL,
      email VARCHAR(255) NOT NULL,
      full_name VARCHAR(255) NOT NULL,
      company_name VARCHAR(255),
      phone VARCHAR(50),
      bio TEXT,
      preferences JSONB NOT NULL DEFAULT '{}',
      avatar_url TEXT,
      avatar_key TEXT,
      avatar_size BIGINT NOT NULL DEFAULT 0,
      interviews_created INTEGER NOT NULL DEFAULT 0,
      interviews_active INTEGER NOT NULL DEFAULT 0,
      candidates_total BIGINT NOT NULL DEFAULT 0,
      storage_used BIGINT NOT NULL DEFAULT 0,
      max_interviews INTEGER NOT NULL DEFAULT 10,
      max_storage BIGINT NOT NULL DEFAULT 5368709120,
      created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      deleted_at TIMESTAMPTZ(3),
      version BIGINT NOT NULL DEFAULT 1
    ) WITH (fillfactor = 90) -- room beside a row, so that counting an event touches no index
  `);
  await sql("CREATE UNIQUE INDEX idx_users_keycloak_id ON users (keycloak_id) WHERE deleted_at IS NULL");
  await sql("CREATE UNIQUE INDEX idx_users_email ON users (lower(email)) WHERE deleted_at IS NULL");
  await sql("CREATE INDEX idx_users_created_at ON users (created_at, id) WHERE deleted_at IS NULL");
  await sql("CREATE INDEX idx_users_updated_at ON users (updated_at, id) WHERE deleted_at IS NULL");
  await sql("CREATE INDEX idx_users_full_name ON users (lower(full_name), id) WHERE deleted_at IS NULL");
  await sql("CREATE INDEX idx_users_email_id ON users (lower(email), id) WHERE deleted_at IS NULL");
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE users");
