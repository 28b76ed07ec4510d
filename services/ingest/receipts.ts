import type { Context } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import { eventsConsumed } from "../../lib/runtime/metrics.ts";
import type { Receipt, ReceiptOutcome } from "../users/users.contract.ts";

/**
 * Passes the answers of other services to erasures to `users` (contract 25), where each is recorded once. Returns the
 * items with their outcomes.
 * @throws what `users.receive` rejects with; safe to repeat
 */
export async function recordReceipts<Item extends { receipt: Receipt; topic: string }>(
  caller: Pick<Context, "call">,
  items: Item[],
): Promise<{ item: Item; outcome: ReceiptOutcome }[]> {
  if (items.length === 0) return [];
  const receipts = items.map(({ receipt }) => receipt);
  const outcomes = await call(caller, "users.receive", { receipts });
  return items.map((item, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) throw new Error("users.receive returned fewer outcomes than receipts");
    eventsConsumed.inc({ topic: item.topic, outcome });
    return { item, outcome };
  });
}
