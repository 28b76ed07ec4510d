import type { Migration } from "./migrate.ts";

/** The secret that signs the cursors of the user list: one for all nodes, generated here. */
export const up: Migration = async ({ context: { sql } }) => {
  await sql("CREATE TABLE cursor_key (secret TEXT NOT NULL)");
  await sql("INSERT INTO cursor_key VALUES (gen_random_uuid()::text || gen_random_uuid()::text)");
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE cursor_key");
