import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { fieldOf, User, type UserRow } from "../../models/user.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test("the migrations create a column for each attribute of User", async () => {
  const columns = await database.sql<{ name: string }>(
    "SELECT attname AS name FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0",
  );
  const attributes = Object.keys(User.getAttributes()) as (keyof UserRow)[];
  expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining(attributes.map(fieldOf)));
});
