import { progress } from "../cli/progress.ts";
import { toCursor } from "../services/users/users.cursor.ts";
import { alternate } from "./alternate.ts";
import type { Database } from "./databases.ts";
import type { Bench, Part } from "./part.ts";
import { search } from "./search.ts";
import { seedUsers } from "./seed.ts";
import { type Server, startService } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** `GET /users`: the cost of a page must not depend on the number of users or on its depth. */
export const list: Part = async (bench) => {
  const many = await prepare(bench, "list_many", bench.quick ? 50_000 : 10_000_000);
  const few = await prepare(bench, "list_few", 1_000);
  const measurements: Measurement[] = [];
  for (const sort of Object.keys(SORTS))
    for (const depth of [0, 0.5, 1]) measurements.push(await compare(bench, sort, depth, many, few));
  measurements.push(...(await search(many.server, await oneEmail(many), bench.quick ? 3 : 15)));
  await Promise.all([many.server.stop(), few.server.stop()]);
  return measurements;
};

type Side = { count: number; database: Database; server: Server };

async function prepare({ databases }: Bench, name: string, count: number): Promise<Side> {
  progress(`list: ${spell(count)} users`);
  const database = await databases.create(name);
  await seedUsers(database, count);
  return { count, database, server: await startService(database.env) };
}

async function oneEmail({ count, database }: Side): Promise<string> {
  const [user] = await database.sql<{ email: string }>("SELECT email FROM users OFFSET $1 LIMIT 1", [
    count / 2,
  ]);
  return user?.email ?? "";
}

/** The sorts, with their columns and their orders in SQL. */
const SORTS: Record<string, { column: string; order: string }> = {
  "-createdAt": { column: "created_at", order: "created_at DESC, id DESC" },
  email: { column: "email", order: "email_key(email), id" },
  fullName: { column: "full_name", order: "lower(full_name), id" },
};

const PAGE = 20;

async function compare(
  { load, quick }: Bench,
  sort: string,
  depth: number,
  many: Side,
  few: Side,
): Promise<Measurement> {
  const where = depth === 0 ? "first page" : depth === 1 ? "last page" : "half-way";
  const name = `GET /users?sort=${sort}, ${where}: ${spell(many.count)} users to ${spell(few.count)}`;
  const latency = async (side: Side) => {
    const path = `/api/v1/users?limit=${PAGE}&sort=${sort}${await cursorAt(side, sort, depth)}`;
    const requests = [{ method: "GET" as const, path, headers: await adminBearer() }];
    return async () => {
      const job = { url: side.server.url, connections: 1, seconds: quick ? 0.5 : 2, requests };
      return (await load.fire(job)).latency;
    };
  };
  const results = await alternate(name, quick ? 3 : 5, await latency(many), await latency(few));
  return { name, unit: "ms", ...results, target: { atMost: 1.25 } };
}

const spell = (count: number) => count.toLocaleString("en");

/** The query for a full page at this depth; it computes the cursor to avoid reading all pages before. */
async function cursorAt({ count, database }: Side, sort: string, depth: number): Promise<string> {
  if (depth === 0) return "";
  const { column = "", order = "" } = SORTS[sort] ?? {};
  const offset = Math.floor((count - PAGE - 2) * depth);
  const [row] = await database.sql<{ id: string; value: Date | string }>(
    `SELECT id, ${column} AS value FROM users WHERE deleted_at IS NULL
     ORDER BY ${order} OFFSET $1 LIMIT 1`,
    [offset],
  );
  if (!row) throw new Error(`There is no user ${offset}`);
  const { id, value } = row;
  const position = { sort, id, value: value instanceof Date ? value.toISOString() : value };
  return `&cursor=${toCursor(position)}`;
}
