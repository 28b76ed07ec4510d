/** Whether an error is temporary ("not now"): a dependency is unavailable, and the same work may succeed later. */
export const isNotNow = (error: unknown): boolean => (error as { retryable?: boolean }).retryable === true;

/**
 * Processes items together. If that fails, the items are halved until the one that cannot be processed is alone, which
 * is then set aside. N items of which R fail take at most about R × 2 log2(N) attempts. `work` must be safe to repeat.
 *
 * @param setAside records an item that cannot be processed, with the reason
 * @throws a temporary error ("not now"); all items must then be processed again
 */
export async function isolate<Item>(
  items: Item[],
  work: (items: Item[]) => Promise<void>,
  setAside: (item: Item, reason: unknown) => Promise<void>,
): Promise<void> {
  const [item] = items;
  if (item === undefined) return;
  try {
    await work(items);
  } catch (error) {
    if (isNotNow(error)) throw error;
    if (items.length === 1) return setAside(item, error);
    const middle = Math.ceil(items.length / 2);
    await isolate(items.slice(0, middle), work, setAside);
    await isolate(items.slice(middle), work, setAside);
  }
}

/**
 * Splits a list, in order, into parts of at most `limit.count` items and `limit.bytes`; a larger item is a part of its
 * own.
 */
export function inParts<Item>(
  items: Item[],
  bytesOf: (item: Item) => number,
  limit: { count: number; bytes: number },
): Item[][] {
  const parts: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const bytes = bytesOf(item);
    if (parts.length === 0 || bytes > room || parts.at(-1)?.length === limit.count) {
      parts.push([]);
      room = limit.bytes;
    }
    parts.at(-1)?.push(item);
    room -= bytes;
  }
  return parts;
}
