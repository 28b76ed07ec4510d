import { openAnswering, type Way } from "./echo.ts";

/** The process that call.ts starts: answers what it is asked over Kafka, until it is let go. */
process.once("disconnect", () => process.exit());
const [way, ...brokers] = process.argv.slice(2);
await openAnswering(way as Way, brokers);
process.send?.("ready");
