import { strayAvatars } from "./avatars.ts";
import { type Made, TABLES } from "./people.ts";
import { searchBucket, searchDatabase, searchLogs } from "./search.ts";
import { firstOnes, ofType, type Verdict } from "./verify.ts";
import { settle, type World } from "./world.ts";

/** Contract 25: a person is complete or erased, and no data of an erased person is left anywhere. */

/** The state before any erasure. */
export type Stock = { places: Map<string, string[]>; sums: unknown; lines: string[] };

const SUMS = `SELECT count(*)::text AS users, sum(interviews_created)::text AS created,
  sum(interviews_active)::text AS active, sum(candidates_total)::text AS candidates, sum(storage_used)::text AS bytes FROM users`;

/** The places of the texts before any erasure. Reports an error if the search misses a text in an expected place. */
export async function takeStock(world: World, people: Made[]): Promise<Stock> {
  const { places, bytes } = await searchDatabase(world);
  const { objects } = await searchBucket(world);
  const logs = world.nodes.map((node) => node.printed()).join("");
  for (const { id, texts } of people) {
    const found = new Set(texts.flatMap((text) => places.get(text) ?? []));
    const missing = [
      ...TABLES.filter((table) => !found.has(table)),
      ...(objects.some((name) => name.startsWith(id)) ? [] : ["the bucket"]),
      ...(logs.includes(id) ? [] : ["the logs"]),
    ];
    if (missing.length > 0) world.ledger.wrong.push(`Before the erasure ${id} is not in ${missing}`);
  }
  const counts = TABLES.map(
    (table) => `${table} ${[...places.values()].filter((tables) => tables.includes(table)).length}`,
  );
  const lines = [
    `${people.length} people, ${places.size} texts in a dump of ${bytes} bytes (${counts.join(", ")}), ${objects.length} objects`,
  ];
  return { places, sums: await world.sql(SUMS), lines };
}

/** Whether the erasure is marked as done, and whether the row is empty. */
const ROWS = `
  SELECT users.id, erased_at IS NOT NULL AS erased,
    (keycloak_id, email, full_name, preferences::text, avatar_size) = ('', '', '', '{}', 0)
    AND num_nonnulls(company_name, phone, bio, status_reason, avatar_url, avatar_key) = 0 AS empty
  FROM users LEFT JOIN erasures ON user_id = users.id AND cancelled_at IS NULL`;

/**
 * Each person is complete, with the texts in their old places, or erased: then the row is empty and no text is in the
 * database. Anything else is reported as an error.
 * @returns the ids of those that are erased
 */
export async function checkEach(world: World, people: Made[], stock: Stock): Promise<Set<string>> {
  const rows = await world.sql<{ id: string; erased: boolean; empty: boolean }>(ROWS);
  const { places } = await searchDatabase(world);
  for (const { id, erased, empty } of rows)
    if (erased !== empty)
      world.ledger.wrong.push(`${id} is half erased: ${JSON.stringify({ erased, empty })}`);
  const erased = new Set<string>();
  for (const { id, texts } of people) {
    const now = texts.map((text) => places.get(text) ?? []);
    const isErased = now.every((tables) => tables.length === 0);
    const isWhole = JSON.stringify(now) === JSON.stringify(texts.map((text) => stock.places.get(text)));
    if (isErased) erased.add(id);
    else if (!isWhole)
      world.ledger.wrong.push(`${id} is half erased: its texts are in ${[...new Set(now.flat())]}`);
  }
  return erased;
}

/** In the end all are erased and reported once, none of their texts is left, and the sums are unchanged. */
export async function checkEnd(world: World, people: Made[], stock: Stock): Promise<Verdict> {
  const { ledger, sql, topics } = world;
  const verdict: Verdict = { events: 0, lost: 0, doubled: 0, disordered: 0, details: stock.lines };
  await settle(world);
  const erased = await checkEach(world, people, stock);
  const events = ofType(firstOnes(await topics.read("user-events")), "user.erased");
  const byUser = Map.groupBy(events, ({ userId }) => userId);
  for (const { id } of people) {
    const reports = byUser.get(id)?.length ?? 0;
    if (!erased.has(id) || reports === 0) verdict.lost++;
    if (reports > 1) verdict.doubled++;
  }
  verdict.events = events.length;

  const { removed } = await strayAvatars(world);
  const [database, bucket, logs] = [
    await searchDatabase(world),
    await searchBucket(world),
    searchLogs(world),
  ];
  for (const { places } of [database, bucket, logs])
    for (const [text, where] of places) ledger.wrong.push(`After the erasures ${text} is in ${where}`);
  const images = bucket.objects.filter((name) => name.includes("/")); // others are not avatars
  for (const name of images) ledger.wrong.push(`After the erasures there is the object ${name}`);
  const sums = await sql(SUMS);
  if (JSON.stringify(sums) !== JSON.stringify(stock.sums))
    ledger.wrong.push(`The sums are ${JSON.stringify(sums)}, and were ${JSON.stringify(stock.sums)}`);
  verdict.details.push(
    `after the erasures ${database.places.size} texts in a dump of ${database.bytes} bytes, ` +
      `${bucket.places.size} in ${images.length} objects (the reconciler removed ${removed}), ` +
      `${logs.places.size} in ${logs.bytes} bytes of logs; sums ${JSON.stringify(sums[0])}`,
  );
  return verdict;
}
