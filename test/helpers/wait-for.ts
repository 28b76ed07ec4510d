import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls until the value is truthy, and returns it. Rejects after `ms`. The default is long, because it costs nothing if
 * the value arrives; pass a shorter time only if the time itself is asserted.
 */
export async function waitFor<Value>(
  poll: () => Value | Promise<Value>,
  ms = 30_000,
): Promise<NonNullable<Value>> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await poll();
    if (value) return value;
    if (Date.now() > end) throw new Error(`Not true within ${ms} ms: ${poll}`);
    await sleep(10);
  }
}
