import { closeDatabase, connectDatabase } from "../../lib/postgres/open-database.ts";
import { reconcile } from "../../services/avatars/avatars.reconcile.ts";

/** Runs the reconciler as if two hours had passed, when every orphan is old, and prints its result as JSON. */
await connectDatabase();
console.log(JSON.stringify(await reconcile(new Date(Date.now() + 7_200_000))));
await closeDatabase();
