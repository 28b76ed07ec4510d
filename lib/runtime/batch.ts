let turn: Promise<void> | undefined;

/** Resolves at the end of this turn of the event loop, for all who wait in the order of their calls. */
export function endOfTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

/**
 * Handles together what is given in one turn of the event loop, at the end of that turn.
 *
 * @param handle gets the items in their order, and returns the result of each, or a promise of it; if it rejects, all of
 *   them reject
 * @returns gives one item, and returns its result
 */
export function inBatches<Item, Result>(
  handle: (items: Item[]) => Promise<Result[]>,
): (item: Item) => Promise<Result> {
  let items: Item[] = [];
  let results: Promise<Result[]> | undefined;

  function handleAll(): Promise<Result[]> {
    const batch = items;
    items = [];
    results = undefined;
    return handle(batch);
  }

  return async (item) => {
    const index = items.push(item) - 1;
    results ??= endOfTurn().then(handleAll);
    return (await results)[index] as Result;
  };
}

/**
 * Finds rows by keys that are asked for in one turn of the event loop with one query.
 *
 * @param read gets the keys, and returns the rows that exist, in any order
 * @param keyOf the key of a row
 * @param compared what of a key is compared, if equal keys may be written in different ways
 * @returns gets one key, and returns its row, or undefined if there is none
 */
export const findInBatches = <Row>(
  read: (keys: string[]) => Promise<Row[]>,
  keyOf: (row: Row) => string,
  compared = (key: string) => key,
): ((key: string) => Promise<Row | undefined>) =>
  inBatches(async (keys: string[]) => {
    const rows = await read(keys);
    const found = new Map(rows.map((row) => [compared(keyOf(row)), row]));
    return keys.map((key) => found.get(compared(key)));
  });
