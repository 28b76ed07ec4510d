import type { Database } from "./databases.ts";

/** Counts events, each once, with only the service's statements: no Kafka, no JSON, no broker. */

/** Prevents deadlocks between batches of several nodes, and shows which users exist. */
const LOCK = "SELECT id, deleted_at FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE";

const NOTE = `
  INSERT INTO processed_events (event_id, service_name, topic)
  SELECT key, 'user-service', 'interview-events' FROM unnest($1::text[]) AS key ORDER BY key
  ON CONFLICT DO NOTHING
  RETURNING event_id AS key`;

const ADD = `
  UPDATE users SET interviews_created = interviews_created + added.n, interviews_active = interviews_active + added.n
  FROM unnest($1::uuid[], $2::int[]) AS added (user_id, n)
  WHERE id = added.user_id`;

const BATCH = 1_000;

/** Returns the rate, in events per second; `locks`: each batch locks its users first, as the service does. */
export async function countBare(
  { sql }: Database,
  { userIds, count, locks }: { userIds: string[]; count: number; locks: boolean },
): Promise<number> {
  const events = Array.from({ length: count }, (_, n) => ({
    key: `interview-events:${crypto.randomUUID()}`,
    userId: userIds[n % userIds.length] ?? "",
  }));
  const start = performance.now();
  for (let at = 0; at < count; at += BATCH) await countBatch(sql, events.slice(at, at + BATCH), locks);
  return (1000 * count) / (performance.now() - start);
}

async function countBatch(
  sql: Database["sql"],
  events: { key: string; userId: string }[],
  locks: boolean,
): Promise<void> {
  await sql("BEGIN");
  if (locks) await sql(LOCK, [[...new Set(events.map(({ userId }) => userId))]]);
  const noted = await sql<{ key: string }>(NOTE, [events.map(({ key }) => key)]);
  const fresh = new Set(noted.map(({ key }) => key));
  const sums = new Map<string, number>();
  for (const { key, userId } of events) if (fresh.has(key)) sums.set(userId, (sums.get(userId) ?? 0) + 1);
  await sql(ADD, [[...sums.keys()], [...sums.values()]]);
  await sql("COMMIT");
}
