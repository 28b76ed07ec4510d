/** Returns a random item, or undefined if there are none. */
export const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(Math.random() * items.length)] as Item;

export const between = (least: number, most: number): number => least + Math.random() * (most - least);
