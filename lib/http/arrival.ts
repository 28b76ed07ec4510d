import type { IncomingMessage, ServerResponse } from "node:http";
import { AVATAR_LIMIT, RequestRefused } from "../contract/errors.ts";

/** How the body of a request arrives: when the client is asked for it, and its time limits. */

/** Whether the client sends the body only when asked for it (RFC 9110, 10.1.1). */
export const waitsToBeAsked = ({ httpVersion, headers }: IncomingMessage): boolean =>
  httpVersion === "1.1" && headers.expect !== undefined; // any other expectation was refused

/**
 * Asks for the body if the client waits for that. Call it after all checks that need no body.
 * @throws what `tooLarge` creates if the request declares more than `limit` bytes
 */
export function askForBody(
  req: IncomingMessage,
  res: ServerResponse,
  { limit, tooLarge }: { limit: number; tooLarge(): Error },
): void {
  if (Number(req.headers["content-length"] ?? 0) > limit) throw tooLarge();
  if (waitsToBeAsked(req)) res.writeContinue();
}

/** The slowest connection on which an upload succeeds, in bytes per second. */
const UPLOAD_RATE = 65_536;

/** In ms. An upload may take as long as its size needs on a slow connection, but must not pause for long. */
export const ARRIVE_WITHIN = {
  headers: 10_000,
  body: 20_000,
  upload: { silence: 10_000, whole: 30_000 + (AVATAR_LIMIT / UPLOAD_RATE) * 1_000 },
};

/** Emitted by an upload's stream, on the same node, if the client disconnects before it gets an answer. */
export const CLIENT_LEFT = "client-left";

export const tooLate = (): RequestRefused => new RequestRefused(408, "The request did not arrive in time");

/**
 * Resolves with the result of `reading`.
 * @throws RequestRefused (408) if it takes longer than `ms`
 */
export async function arriveWithin<Result>(ms: number, reading: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooLate()), ms);
  return Promise.race([reading, late.promise]).finally(() => clearTimeout(timer));
}

/**
 * Calls `onLate` once if no byte arrives for `silence` ms, or if the upload takes longer than `whole` ms. Call
 * `progress` when bytes arrive, and `stop` at the end.
 */
export function watchArrival(limits: { silence: number; whole: number }, onLate: () => void) {
  const timers = [limits.silence, limits.whole].map((ms) => setTimeout(late, ms));
  function stop() {
    for (const timer of timers) clearTimeout(timer);
  }
  function late() {
    stop();
    onLate();
  }
  return { progress: () => void timers[0]?.refresh(), stop };
}
