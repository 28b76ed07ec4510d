import type { Server } from "node:http";

/** Ends the start with one line that names the variable, where its port can't be listened on. */
export function exitWherePortIsTaken(server: Server, variable: string, port: number): void {
  server.on("error", ({ code }: NodeJS.ErrnoException) => {
    console.error(
      `${variable}: ${port} can't be listened on (${code}): choose a free port, or stop what has this one`,
    );
    process.exit(1);
  });
}
