import { emailKey } from "../lib/contract/email.ts";
import type { Migration } from "./migrate.ts";

/**
 * E-mails are unique by the rule of lib/contract/email.ts and no longer by `lower`, which depends on the database's
 * locale: in C it leaves "Ä" unchanged, and the Turkish one turns "I" into a dotless i. The index keeps the name that
 * contract 5 requires. A change of the rule needs a new migration.
 */
export const up: Migration = async ({ context: { sql } }) => {
  const [{ server_encoding: encoding }] = (await sql("SHOW server_encoding")).rows;
  if (encoding !== "UTF8") throw new Error(`DATABASE_NAME: its encoding is ${encoding}, and UTF8 is needed`);
  const { letters, keys } = singleLetters();
  await sql(`
    CREATE FUNCTION email_key(email text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
      SELECT CASE
        WHEN octet_length(email) = char_length(email) THEN lower(email COLLATE "C") -- ASCII
        ELSE replace(translate(normalize(email, NFC), '${letters}', '${keys}'), 'İ', 'i\u0307') COLLATE "C"
      END
    $$
  `);
  await refuseDuplicates(sql);
  await index(sql, "email_key(email)");
};

export const down: Migration = async ({ context: { sql } }) => {
  await index(sql, "lower(email)");
  await sql("DROP FUNCTION email_key(text)");
};

type Sql = Parameters<Migration>[0]["context"]["sql"];

async function index(sql: Sql, key: string): Promise<void> {
  await sql("DROP INDEX idx_users_email, idx_users_email_id");
  await sql(`CREATE UNIQUE INDEX idx_users_email ON users (${key}) WHERE deleted_at IS NULL`);
  await sql(`CREATE INDEX idx_users_email_id ON users (${key}, id) WHERE deleted_at IS NULL`);
}

/**
 * All characters whose key is one other character, with their keys, for translate(). Letters with case are below
 * U+20000.
 */
function singleLetters(): { letters: string; keys: string } {
  const pairs = Array.from({ length: 0x20000 }, (_, code) => code)
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
    .map((letter) => ({ letter, key: emailKey(letter) }))
    .filter(({ letter, key }) => key !== letter.normalize("NFC") && [...key].length === 1);
  return { letters: pairs.map(({ letter }) => letter).join(""), keys: pairs.map(({ key }) => key).join("") };
}

/** @throws Error with the ids of users whose e-mails are now the same: the operator decides which ones to keep */
async function refuseDuplicates(sql: Sql): Promise<void> {
  const { rows } = await sql(`
    SELECT string_agg(id::text, ' = ') AS ids FROM users WHERE deleted_at IS NULL
    GROUP BY email_key(email) HAVING count(*) > 1 LIMIT 10`);
  if (rows.length === 0) return;
  const ids = rows.map((row) => row.ids).join(", ");
  throw new Error(`Users whose e-mails differ in case only (change or delete all but one of each): ${ids}`);
}
