import type { Migration } from "./migrate.ts";

/** The stored answers of requests with an `Idempotency-Key` (contract 21); `id` is a hash of caller, action and key. */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE idempotent_answers (
      id BYTEA PRIMARY KEY,
      fingerprint BYTEA NOT NULL,
      answer JSON NOT NULL,
      created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )`);
  await sql("CREATE INDEX idx_idempotent_answers_created ON idempotent_answers (created_at)");
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE idempotent_answers");
