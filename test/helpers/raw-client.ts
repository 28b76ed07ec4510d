import net from "node:net";
import type { Service } from "moleculer";
import type { Person } from "./people.ts";
import type { TestService } from "./service.ts";

/** A client that controls when its bytes are sent, and can disconnect at any point. */

/** The head of a request that declares a body of `length` bytes. */
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

/** A connection, its answer so far, and the time after which it was closed, in ms. */
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

/** The number of running calls, in all services of the broker. */
export const callsRunning = ({ broker }: TestService): number =>
  (broker.services as (Service & { _trackedContexts?: unknown[] })[]).reduce(
    (sum, { _trackedContexts = [] }) => sum + _trackedContexts.length,
    0,
  );
