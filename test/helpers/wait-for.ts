import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls until the value is truthy, and returns it. Rejects after `ms`. The pauses grow to 50 ms, because polls of the
 * database cost CPU time. The default of `ms` is long, because it costs nothing if the value arrives; pass a shorter time
 * only if the time itself is asserted.
 */
export async function waitFor<Value>(
  poll: () => Value | Promise<Value>,
  ms = 30_000,
): Promise<NonNullable<Value>> {
  const end = Date.now() + ms;
  for (let pause = 5; ; pause = Math.min(2 * pause, 50)) {
    const value = await poll();
    if (value) return value;
    if (Date.now() > end) throw new Error(`Not true within ${ms} ms: ${poll}`);
    await sleep(pause);
  }
}
