import { closeDatabase, connectDatabase } from "../lib/postgres/open-database.ts";
import { demandParts } from "../lib/runtime/config.ts";
import { operateOutbox } from "../services/outbox/set-aside.operate.ts";

/** `npm run outbox -- list | retry ID…|all | discard ID…|all` */
demandParts("database");
try {
  await connectDatabase();
  await operateOutbox(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await closeDatabase();
}
