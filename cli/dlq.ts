import { closeDatabase, connectDatabase } from "../lib/postgres/open-database.ts";
import { demandParts } from "../lib/runtime/config.ts";
import { operateDeadLetters } from "../services/ingest/dead-letter.operate.ts";

/** `npm run dlq -- list | show ID | replay ID… | discard ID…` */
demandParts("database");
try {
  await connectDatabase();
  await operateDeadLetters(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await closeDatabase();
}
