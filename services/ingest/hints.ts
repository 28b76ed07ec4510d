import type { Context } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import { eventsConsumed } from "../../lib/runtime/metrics.ts";
import type { Hint } from "../identities/identities.contract.ts";

/** The maximum number of hints in one call: Kafka's limit for a message is 1 MiB. */
const CALL = 500;

/**
 * Passes the hints of Keycloak's events to `identities` (contract 27), where each is stored once.
 * @throws what `identities.receive` rejects with; safe to repeat
 */
export async function passHints(
  caller: Pick<Context, "call">,
  items: { hint: Hint; topic: string }[],
): Promise<void> {
  for (let first = 0; first < items.length; first += CALL) {
    const part = items.slice(first, first + CALL);
    const hints = part.map(({ hint }) => hint);
    const outcomes = await call(caller, "identities.receive", { hints });
    for (const [index, { topic }] of part.entries())
      eventsConsumed.inc({ topic, outcome: outcomes[index] ?? "applied" });
  }
}
