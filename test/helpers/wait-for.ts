import { setTimeout as sleep } from "node:timers/promises";

/** Asks again and again until the answer is truthy, and returns it. Rejects after `ms`. */
export async function waitFor<Value>(
  ask: () => Value | Promise<Value>,
  ms = 5_000,
): Promise<NonNullable<Value>> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`Waited ${ms} ms in vain for ${ask}`);
    await sleep(10);
  }
}
