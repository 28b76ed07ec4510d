import { expect, test } from "@jest/globals";
import { OWNED, USER_COLUMNS, User } from "../../models/user.ts";

test("each attribute of User has exactly one owner", () => {
  const owned = Object.values(OWNED).flat() as string[];
  expect(owned.toSorted()).toEqual(Object.keys(User.getAttributes()).toSorted());
  expect(new Set(owned).size).toBe(owned.length);
});

test("each attribute is read from the column with its name in snake case", () => {
  const columns = USER_COLUMNS.split(", ");
  expect(columns).toHaveLength(Object.keys(User.getAttributes()).length);
  for (const column of columns) {
    const [, field = "", attribute = ""] = /^(\w+) AS "(\w+)"$/.exec(column) ?? [];
    expect(field).toBe(attribute.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  }
});

test("Sequelize sets no timestamps", () => {
  expect(User.options).toMatchObject({ tableName: "users", timestamps: false });
});
