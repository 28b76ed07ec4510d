import { pipeline } from "node:stream/promises";
import { call } from "../lib/contract/call.ts";
import { asOperator } from "./operator.ts";

/** `npm run export -- ID` writes all data of a user as one JSON document to the standard output (contract 25). */
await asOperator("export", async (broker, meta) => {
  const [id, ...more] = process.argv.slice(2);
  if (!id || more.length > 0) throw new Error("Usage: export ID");
  await pipeline(await call(broker, "users.export", { id }, { meta }), process.stdout, { end: false });
});
