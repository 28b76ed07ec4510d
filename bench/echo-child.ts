import { openAnswering, type Way } from "./echo.ts";

/** The process that call.ts starts: answers questions over Kafka until its parent disconnects. */
process.once("disconnect", () => process.exit());
const [way, ...brokers] = process.argv.slice(2);
await openAnswering(way as Way, brokers);
process.send?.("ready");
