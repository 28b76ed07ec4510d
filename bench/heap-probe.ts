import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Loaded into the service by `--import`: reports the size of the used heap, in bytes, after a full garbage collection.
 */

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

process.on("message", () => {
  collect();
  process.send?.(process.memoryUsage().heapUsed);
});
process.channel?.unref(); // it must not keep the service running
