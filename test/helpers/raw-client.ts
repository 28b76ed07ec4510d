import net from "node:net";
import type { Service } from "moleculer";
import type { Person } from "./people.ts";
import type { TestService } from "./service.ts";

/** A client that sends its bytes when it wants to, or leaves in the middle. */

/** The head of a request, with a body of `length` bytes announced. */
export const headOf = (
  person: Person,
  method: string,
  rest: string,
  length: number,
  headers: Record<string, string>,
): string =>
  [
    `${method} /api/v1/users/${person.id}${rest} HTTP/1.1`,
    "Host: localhost",
    `Content-Length: ${length}`,
    ...Object.entries({ ...person.headers, ...headers }).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");

/** A connection, what came back on it so far, and after how many ms it was closed. */
export function connect({ url }: TestService) {
  const start = Date.now();
  const state = { socket: net.connect(Number(new URL(url).port), "127.0.0.1"), answer: "", closedAfter: 0 };
  state.socket.on("data", (data) => {
    state.answer += data;
  });
  state.socket.on("error", () => {});
  state.socket.on("close", () => {
    state.closedAfter = Date.now() - start;
  });
  return state;
}

/** How many calls are running, in all services of the broker. */
export const callsRunning = ({ broker }: TestService): number =>
  (broker.services as (Service & { _trackedContexts?: unknown[] })[]).reduce(
    (sum, { _trackedContexts = [] }) => sum + _trackedContexts.length,
    0,
  );
