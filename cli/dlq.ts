import { demandParts } from "../lib/config/config.ts";
import { closeDatabase, connectDatabase } from "../lib/postgres/open-database.ts";
import { operateDeadLetters } from "../services/ingest/dead-letter.operate.ts";
import { fail } from "./fail.ts";

/** `npm run dlq -- list | show ID | replay ID… | discard ID…` */
demandParts("database");
try {
  await connectDatabase();
  await operateDeadLetters(process.argv.slice(2));
} catch (error) {
  fail(error);
} finally {
  await closeDatabase();
}
