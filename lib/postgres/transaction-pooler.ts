import pg from "pg";

const ROUNDS = 5;

/**
 * Whether there is a pooler between us and PostgreSQL that assigns a server connection per transaction (PgBouncer's
 * `pool_mode = transaction`): two clients then take turns on one server process. A session then keeps no state: no search
 * path, no time limits, no prepared statements.
 *
 * @throws what pg throws if the database is unavailable
 */
export async function isPooledByTransaction(connection: pg.ClientConfig): Promise<boolean> {
  const clients = [1, 2].map(
    () => new pg.Client({ connectionTimeoutMillis: 2_000, query_timeout: 3_000, ...connection }),
  );
  for (const client of clients) client.on("error", () => {}); // the current query rejects with it
  try {
    for (const client of clients) await client.connect();
    const usedBy = new Map<number, pg.Client>();
    for (let round = 0; round < ROUNDS; round++)
      for (const client of clients) {
        const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
        const pid = rows[0]?.pid ?? 0;
        if ((usedBy.get(pid) ?? client) !== client) return true;
        usedBy.set(pid, client);
      }
    return false;
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}
