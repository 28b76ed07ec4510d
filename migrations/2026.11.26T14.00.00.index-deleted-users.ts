import type { Migration } from "./migrate.ts";

/** Lists of deleted users (contract 23) in every order. Other users' rows are not in these indexes. */
const KEYS = {
  created_at: "created_at",
  updated_at: "updated_at",
  full_name: "lower(full_name)",
  email: "email_key(email)",
};

export const up: Migration = async ({ context: { sql } }) => {
  for (const [name, key] of Object.entries(KEYS))
    await sql(`CREATE INDEX idx_users_deleted_${name} ON users (${key}, id) WHERE deleted_at IS NOT NULL`);
};

export const down: Migration = ({ context: { sql } }) =>
  sql(
    `DROP INDEX ${Object.keys(KEYS)
      .map((name) => `idx_users_deleted_${name}`)
      .join(", ")}`,
  );
