/** In ms. A node that was not heard for this time is gone; how often this is looked at. */
const GONE_AFTER = 24 * 3_600_000;
export const LOOK_EVERY = 3_600_000;

/**
 * Remembers since when nodes are missing.
 *
 * A node counts as gone if it was missing each time that this node looked, for a day. Nothing more is needed to be
 * safe: a node of this service whose topics are deleted creates them again.
 *
 * @returns a function that gets the nodes that have topics and whether one is alive, and returns those that are gone
 */
export function watchForGoneNodes(now: () => number = performance.now.bind(performance)) {
  const missingSince = new Map<string, number>();
  return (withTopics: Iterable<string>, isAlive: (node: string) => boolean): string[] => {
    const missing = [...withTopics].filter((node) => !isAlive(node));
    for (const node of missingSince.keys()) if (!missing.includes(node)) missingSince.delete(node);
    for (const node of missing) missingSince.set(node, missingSince.get(node) ?? now());
    return missing.filter((node) => now() - (missingSince.get(node) ?? now()) >= GONE_AFTER);
  };
}
