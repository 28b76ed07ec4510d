import type { Context } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import { eventsConsumed } from "../../lib/runtime/metrics.ts";
import type { DeadLetterCode, Message } from "./dead-letter.ts";
import type { Reading } from "./ingest.rules.ts";

/** Passes the answers to erasures to `users` (contract 25). */

/** A receipt that names no erasure. */
type Rejected = { message: Message; code: DeadLetterCode; reason: string };
type WithReceipt = { message: Message; reading: Extract<Reading, { kind: "receipt" }> };

/**
 * Each is recorded once.
 * @returns those that name no erasure
 * @throws what `users.receive` rejects with; safe to repeat
 */
export async function recordReceipts(
  caller: Pick<Context, "call">,
  items: WithReceipt[],
): Promise<Rejected[]> {
  if (items.length === 0) return [];
  const receipts = items.map(({ reading }) => reading.receipt);
  const outcomes = await call(caller, "users.receive", { receipts });
  return items.flatMap(({ message, reading }, index) => {
    const outcome = outcomes[index] ?? "unknown-erasure";
    eventsConsumed.inc({ topic: message.topic, outcome });
    if (outcome !== "unknown-erasure") return [];
    const { erasureId } = reading.receipt;
    return [{ message, code: "VALIDATION_ERROR" as const, reason: `Erasure with ID ${erasureId} not found` }];
  });
}
