import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "@jest/globals";

/** Runs a program that logs 1,000 lines in one turn of the event loop and then ends; returns the lines that came out, sorted. */
async function linesOf(end: string): Promise<number[]> {
  const program = `
    import { createLogger } from "./lib/runtime/logger.ts";
    const logger = createLogger("info", { nodeID: "n", mod: "test" });
    for (let i = 0; i < 1000; i++) logger.info({ i }, "Line");
    ${end}`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, LOG_LEVEL: "info" },
  });
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line).i).sort((a, b) => a - b);
}

test.each([
  { how: "ends by itself", end: "" },
  { how: "exits", end: "process.exit(1);" },
  { how: "throws", end: 'throw new Error("It broke");' },
  { how: "rejects a promise", end: 'await Promise.reject(new Error("It broke"));' },
  {
    how: "is ended by a signal",
    end: 'process.on("SIGTERM", () => process.exit(0)).kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);',
  },
])(
  "no log line is lost when the process $how",
  async ({ end }) => {
    expect(await linesOf(end)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  },
  30_000,
);
