import type { Context } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import type { ParentSpan } from "../../lib/tracing/trace-context.ts";
import type { CountedEvent, Outcome } from "../stats/stats.contract.ts";
import { inParts } from "./isolate.ts";

/** The limits of one call of `stats.apply`, which is one transaction there. Kafka's limit for a message is 1 MiB. */
const CALL = { count: 1_000, bytes: 500_000 };

/** An upper bound of an event's size in a call, in bytes. Ordinary ones are small enough for a full batch in one call. */
const bytesOf = ({ key, userId, causationId = "", correlationId = "" }: CountedEvent): number =>
  300 + Buffer.byteLength(key + userId + causationId + correlationId);

/**
 * Passes the events of items to `stats` to be counted, and returns the items with their outcomes.
 * @throws what `stats.apply` rejects with; safe to repeat
 */
export async function countEvents<Item extends { event: CountedEvent }>(
  caller: Pick<Context, "call">,
  items: Item[],
  parentSpan?: ParentSpan,
): Promise<{ item: Item; outcome: Outcome }[]> {
  const counted: { item: Item; outcome: Outcome }[] = [];
  for (const part of inParts(items, ({ event }) => bytesOf(event), CALL)) {
    const events = part.map(({ event }) => event);
    const outcomes = await call(caller, "stats.apply", { events }, { parentSpan });
    for (const [index, item] of part.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) throw new Error("stats.apply returned fewer outcomes than events");
      counted.push({ item, outcome });
    }
  }
  return counted;
}
