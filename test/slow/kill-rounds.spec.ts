import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { killRounds } from "../faults/kill-rounds.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test("after each kill -9 under load, every request answered with 201 has its row and its event, and no event was counted twice", async () => {
  const summary = await killRounds(database, 3);
  expect(summary).toMatchObject({ rounds: 3, interviews: 30, lost: 0, doubled: 0 });
  expect(summary.writes).toBeGreaterThan(0);
}, 60_000);
