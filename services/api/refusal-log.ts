import type { Service } from "moleculer";
import { config } from "../../lib/config/config.ts";

/** In ms. Each reason is logged once in this time, because a client sends a wrong token with each request. */
const LOG_EVERY = 60_000;

/** By reason, of which there are few: when it was last logged, and the number of refusals since. */
const logged = new Map<string, { at: number; more: number }>();

/** Logs why a token is refused, and what this service accepts; at most once a minute for each reason. */
export function logRefusal(
  logger: Pick<Service["logger"], "warn">,
  error: Error & { data?: { invalidToken?: string } },
  now = performance.now(),
): void {
  const reason = error.data?.invalidToken;
  if (!reason) return;
  const last = logged.get(reason);
  if (last && now - last.at < LOG_EVERY) {
    last.more++;
    return;
  }
  logged.set(reason, { at: now, more: 0 });
  const { issuer, audiences } = config.auth;
  logger.warn({ action: "token_refused", issuer, audiences, notLogged: last?.more ?? 0 }, reason);
}
