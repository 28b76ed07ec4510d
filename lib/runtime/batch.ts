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
