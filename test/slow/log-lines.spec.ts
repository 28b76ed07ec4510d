import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "@jest/globals";

/** Runs a program with a logger, and returns the lines that it printed. */
async function linesOf(program: string): Promise<Record<string, unknown>[]> {
  const whole = `
    import { createLogger } from "./lib/runtime/logger.ts";
    const logger = createLogger("info", { nodeID: "n", mod: "test" });
    ${program}`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", whole], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, LOG_LEVEL: "info" },
  });
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
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
    const lines = await linesOf(`for (let i = 0; i < 1000; i++) logger.info({ i }, "Line"); ${end}`);
    const numbers = lines.map(({ i }) => Number(i)).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  },
  30_000,
);

test("console warnings of libraries are written as log lines", async () => {
  expect(await linesOf('console.warn("Rolling back", 7, "failed");')).toMatchObject([
    { level: "warn", module: "console", message: "Rolling back 7 failed", timestamp: expect.any(String) },
  ]);
});
