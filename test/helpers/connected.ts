import { jest } from "@jest/globals";
import { createDatabase, type TestDatabase } from "./database.ts";

/** Connects this process to a database of its own, as a node does. The caller ends it with `close`. */
export async function connectToDatabase(): Promise<{ database: TestDatabase; close(): Promise<void> }> {
  jest.spyOn(console, "warn").mockReturnValue(); // Sequelize prints a warning for each rollback whose connection was cut
  const database = await createDatabase();
  Object.assign(process.env, database.env);
  const { connectDatabase } = await import("../../lib/postgres/open-database.ts");
  await connectDatabase();
  const { sequelize } = await import("../../models/connections.ts");
  return {
    database,
    async close() {
      await sequelize.close();
      await database.drop();
    },
  };
}
