import type { Database } from "./databases.ts";

/** Fills `users` with plausible people: names repeat, e-mails are made of them, and a user is created every 90 s. */
export async function seedUsers({ sql }: Database, count: number): Promise<void> {
  const indexes = await dropIndexes({ sql });
  await sql(INSERT, [count, FIRST_NAMES, LAST_NAMES, COMPANIES, DOMAINS]);
  for (const { definition } of indexes) await sql(definition);
  await sql("VACUUM (ANALYZE) users"); // now, so that it does not run during a measurement
}

/** Creating an index takes a moment on a full table, and minutes row by row. The primary key stays. */
async function dropIndexes({ sql }: Pick<Database, "sql">): Promise<{ definition: string }[]> {
  const indexes = await sql<{ name: string; definition: string }>(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes
     WHERE schemaname = current_schema() AND tablename = 'users' AND indexname <> 'users_pkey'`,
  );
  for (const { name } of indexes) await sql(`DROP INDEX ${name}`);
  return indexes;
}

/** Chosen by the halves of a hash: always the same users except for their ids, and in no order of names. */
const INSERT = `
  INSERT INTO users (keycloak_id, email, full_name, company_name, created_at, updated_at)
  SELECT
    gen_random_uuid()::text,
    lower(first || '.' || last) || n || '@' || ($5::text[])[1 + n % cardinality($5::text[])],
    first || ' ' || last,
    CASE WHEN n % 3 = 0 THEN ($4::text[])[1 + hash % cardinality($4::text[])] END,
    created_at,
    created_at
  FROM generate_series(1, $1) AS n
  CROSS JOIN LATERAL (SELECT abs(hashint4(n) / 2) AS hash, now() - n * interval '90 seconds' AS created_at) AS of
  CROSS JOIN LATERAL (
    SELECT
      ($2::text[])[1 + hash % cardinality($2::text[])] AS first,
      ($3::text[])[1 + hash / 1000 % cardinality($3::text[])] AS last
  ) AS person`;

const words = (text: string) => text.trim().split(/\s+/);

const FIRST_NAMES = words(`
  Anna Olivia Liam Emma Noah Amelia Oliver Sophia Elijah Mia Mateo Lucas Levi Ezra Asher Leo Ethan Luca Hudson Jack
  Maria Ivan Dmitri Olga Svetlana Sergei Wei Jing Hiroshi Yuki Priya Arjun Fatima Omar Aisha Mohammed Ingrid Lars
  Johanna Susanna Pedro Lucia Carlos Elena Giulia Marco Chloe Pierre Zofia Piotr`);

const LAST_NAMES = words(`
  Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson
  Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Ivanov
  Petrov Sokolov Novak Kowalski Nowak Schmidt Weber Fischer Rossi Ferrari Dubois Moreau Tanaka Suzuki Wang Chen
  Singh Patel Khan Okafor Mensah Hansen Nielsen Virtanen Silva Santos Costa`);

const COMPANIES = words(
  "Acme Globex Initech Umbrella Hooli Stark Wayne Wonka Cyberdyne Soylent Tyrell Vandelay Massive Aperture",
);

const DOMAINS = words("example.com example.org example.net mail.example.com");
