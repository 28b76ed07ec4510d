import type { Migration } from "./migrate.ts";

/**
 * Erasures and legal holds (contract 25). A user has at most one erasure that is not cancelled, and one hold that is not
 * released. The index of the answers finds those that name a user: by the id, or in an error by its message.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE erasures (
      id UUID PRIMARY KEY,
      user_id UUID NOT NULL,
      reason TEXT,
      requested_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      due_at TIMESTAMPTZ(3) NOT NULL,
      erased_at TIMESTAMPTZ(3),
      cancelled_at TIMESTAMPTZ(3)
    )`);
  await sql("CREATE UNIQUE INDEX idx_erasures_user ON erasures (user_id) WHERE cancelled_at IS NULL");
  await sql(`
    CREATE TABLE erasure_receipts (
      erasure_id UUID NOT NULL,
      service TEXT NOT NULL,
      at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      PRIMARY KEY (erasure_id, service)
    )`);
  await sql(`
    CREATE TABLE legal_holds (
      id BIGSERIAL PRIMARY KEY,
      user_id UUID NOT NULL,
      reason TEXT NOT NULL,
      by_id TEXT,
      since TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      released_at TIMESTAMPTZ(3),
      release_reason TEXT
    )`);
  await sql("CREATE UNIQUE INDEX idx_legal_holds_user ON legal_holds (user_id) WHERE released_at IS NULL");
  await sql("CREATE INDEX idx_users_deleted_keycloak_id ON users (keycloak_id) WHERE deleted_at IS NOT NULL");
  await sql(`
    CREATE INDEX idx_idempotent_answers_named ON idempotent_answers
    (email_key(coalesce(answer #>> '{result,id}', answer #>> '{error,message}')))`);
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_idempotent_answers_named, idx_users_deleted_keycloak_id");
  await sql("DROP TABLE legal_holds, erasure_receipts, erasures");
};
