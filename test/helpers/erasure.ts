import { call } from "../../lib/contract/call.ts";
import type { AnswerBody } from "./request.ts";
import type { TestService } from "./service.ts";

const OPERATOR = { meta: { caller: { internal: true, user: { sub: "operator", admin: true } } } };

/** What an operator does with `npm run erase` and `npm run purge`. */
export const operatorOf = ({ broker }: TestService) => ({
  eraseNow: (id: string) => call(broker, "users.eraseNow", { id }, OPERATOR),
  inventory: (id: string) => call(broker, "users.inventory", { id }, OPERATOR),
  purge: () => call(broker, "users.purge", {}, OPERATOR),
});

/** Makes the erasure of a user due some days ago. */
export const dueDaysAgo = ({ database }: TestService, id: string, days: number) =>
  database.sql("UPDATE erasures SET due_at = now() - $2::float8 * interval '1 day' WHERE user_id = $1", [
    id,
    days,
  ]);

export type ErasureBody = AnswerBody & { erasureId: string; status: string; dueAt: string };

/** The texts that are anywhere in the database, of those that are looked for. */
export async function foundIn({ database }: TestService, texts: string[]): Promise<string[]> {
  const tables = await database.sql<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'user_service'",
  );
  let all = "";
  for (const { name } of tables) {
    const rows = await database.sql<{ text: string }>(`SELECT one::text AS text FROM ${name} AS one`);
    all += rows.map(({ text }) => text).join("\n");
  }
  const unhexed = all.replaceAll(/\\x((?:[0-9a-f]{2})+)/g, (_, hex) => Buffer.from(hex, "hex").toString());
  return texts.filter((text) => unhexed.toLowerCase().includes(text.toLowerCase()));
}
