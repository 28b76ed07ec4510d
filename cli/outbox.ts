import { demandParts } from "../lib/config/config.ts";
import { closeDatabase, connectDatabase } from "../lib/postgres/open-database.ts";
import { operateOutbox } from "../services/outbox/set-aside.operate.ts";
import { fail } from "./fail.ts";

/** `npm run outbox -- list | retry ID…|all | discard ID…|all` */
demandParts("database");
try {
  await connectDatabase();
  await operateOutbox(process.argv.slice(2));
} catch (error) {
  fail(error);
} finally {
  await closeDatabase();
}
