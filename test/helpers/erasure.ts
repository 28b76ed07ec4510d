import { expect } from "@jest/globals";
import { call } from "../../lib/contract/call.ts";
import { errorBody } from "./errors.ts";
import { entriesOf } from "./history.ts";
import { person, requestsOf, service } from "./one-user.ts";
import { allRows } from "./people.ts";
import type { AnswerBody } from "./request.ts";
import type { TestService } from "./service.ts";

const OPERATOR = { meta: { caller: { internal: true, user: { sub: "operator", admin: true } } } };

/** Erases like an operator with `npm run erase` and `npm run purge`. */
export const operatorOf = ({ broker }: TestService) => ({
  eraseNow: (id: string) => call(broker, "users.eraseNow", { id }, OPERATOR),
  inventory: (id: string) => call(broker, "users.inventory", { id }, OPERATOR),
  purge: () => call(broker, "users.purge", {}, { ...OPERATOR, timeout: 0 }),
});

/** Moves the due time of a user's erasure some days into the past. */
export const dueDaysAgo = ({ database }: TestService, id: string, days: number) =>
  database.sql("UPDATE erasures SET due_at = now() - $2::float8 * interval '1 day' WHERE user_id = $1", [
    id,
    days,
  ]);

type ErasureBody = AnswerBody & { erasureId: string; status: string; dueAt: string };

/** Requests about the user and the user's erasure. */
export const { ask, send } = requestsOf<ErasureBody>();

/** Everything that an erasure of the user may change. */
export async function state() {
  const { sql } = service.database;
  return [
    await allRows(service),
    await entriesOf(service, person.id),
    await sql("SELECT * FROM erasures ORDER BY id"),
    await sql("SELECT * FROM legal_holds ORDER BY id"),
    await sql("SELECT * FROM erasure_receipts ORDER BY erasure_id, service"),
  ];
}

/** Expects that a request is refused and changes nothing. */
export async function refuses(asked: ReturnType<typeof send>, status: number, message: string, code: string) {
  const before = await state();
  const { body, headers } = await asked;
  expect(body).toEqual(errorBody(status, message));
  expect(headers["x-error-code"]).toBe(code);
  expect(await state()).toEqual(before);
}

/** Returns those of `texts` that the database contains anywhere: letters and digits, in any letter case. */
export async function foundIn({ database }: TestService, texts: string[]): Promise<string[]> {
  const tables = await database.sql<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'user_service'",
  );
  const words = new Set<string>();
  for (const { name } of tables)
    for (const { text } of await database.sql<{ text: string }>(
      `SELECT one::text AS text FROM ${name} AS one`,
    )) {
      const unhexed = text.replaceAll(/\\x((?:[0-9a-f]{2})+)/g, (_, hex) =>
        Buffer.from(hex, "hex").toString(),
      );
      for (const [word] of unhexed.toLowerCase().matchAll(/[a-z0-9-]+/g)) words.add(word);
    }
  return texts.filter((text) =>
    text
      .toLowerCase()
      .split(/[^a-z0-9-]+/)
      .every((word) => words.has(word)),
  );
}
