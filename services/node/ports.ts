import type { Server } from "node:http";

/** Ends the start with one line that names the variable, where its port can't be listened on. */
export function exitWherePortIsTaken(server: Server, variable: string, port: number): void {
  server.on("error", ({ code }: NodeJS.ErrnoException) => {
    console.error(`${variable}: ${port} can't be listened on (${code}): a free port is allowed`);
    process.exit(1);
  });
}
