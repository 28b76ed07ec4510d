/** One of them; of none, undefined. */
export const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(Math.random() * items.length)] as Item;

export const between = (least: number, most: number): number => least + Math.random() * (most - least);
