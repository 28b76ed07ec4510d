import { call } from "../lib/contract/call.ts";
import { asOperator } from "./operator.ts";

/** `npm run purge` does at once what nodes with `users` do hourly: it erases the users whose erasure is due (contract 25). */
await asOperator("purge", async (broker, meta) => {
  const { erased } = await call(broker, "users.purge", {}, { meta, timeout: 0 });
  console.log(`${erased} users erased`);
});
