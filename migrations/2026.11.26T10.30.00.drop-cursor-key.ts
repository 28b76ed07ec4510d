import type { Migration } from "./migrate.ts";

/** Cursors of the user list are no longer signed. */
export const up: Migration = ({ context: { sql } }) => sql("DROP TABLE cursor_key");

export const down: Migration = async ({ context: { sql } }) => {
  await sql("CREATE TABLE cursor_key (secret TEXT NOT NULL)");
  await sql("INSERT INTO cursor_key VALUES (gen_random_uuid()::text || gen_random_uuid()::text)");
};
