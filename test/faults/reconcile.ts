import { closeDatabase, connectDatabase } from "../../lib/postgres/open-database.ts";
import { reconcile } from "../../services/avatars/avatars.reconcile.ts";

/** What the reconciler would do in two hours, when every orphan is old: on the environment's schema and bucket, as JSON. */
await connectDatabase();
console.log(JSON.stringify(await reconcile(new Date(Date.now() + 7_200_000))));
await closeDatabase();
